-- Whether an access token, whose signature holds, was revoked before its time. An actor's tokens
-- are over up to the leeway of 30 s after the revocation: the minter's clock may be ahead.
create function app.token_is_revoked(
  tenant uuid, token text, session text, actors text[], issued_at bigint, minted_in bigint)
returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from app.token_revocations r where r.tenant_id = tenant
      and ((r.kind = 'token' and r.subject = token)
        or (r.kind = 'session' and r.subject = session)
        or (r.kind = 'actor' and r.subject = any (actors) and issued_at <= r.revoked_at + 30)))
    or exists (select from app.token_epochs e where e.tenant_id = tenant and e.epoch > minted_in)
$$;
revoke all on function app.token_is_revoked(uuid, text, text, text[], bigint, bigint) from public;
grant execute on function app.token_is_revoked(uuid, text, text, text[], bigint, bigint)
  to strongroom_auth;

-- A family by its id, and the time by the clock that all nodes share. One of an earlier epoch of
-- its tenant was revoked with it.
create function app.find_refresh_family(family text)
returns table (tenant_id uuid, version bigint, actors text[], capabilities text, session_id uuid,
               client_id text, auth_time bigint, auth_class text, auth_methods text[],
               lineage bytea, generation bigint, newest bytea, parent bytea, successor bytea,
               begun_at bigint, rotated_at bigint, revoked_at bigint, revoked_reason text,
               epoch bigint, now bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select f.tenant_id, f.version, f.actors, f.capabilities, f.session_id, f.client_id, f.auth_time,
         f.auth_class, f.auth_methods, f.lineage, f.generation, f.newest, f.parent, f.successor,
         f.begun_at, f.rotated_at,
         case when f.epoch < e.epoch then coalesce(f.revoked_at, 0) else f.revoked_at end,
         case when f.epoch < e.epoch then coalesce(f.revoked_reason, 'request')
              else f.revoked_reason end,
         f.epoch, extract(epoch from clock_timestamp())::bigint
    from app.refresh_families f left join app.token_epochs e on e.tenant_id = f.tenant_id
   where f.id = family
$$;
revoke all on function app.find_refresh_family(text) from public;
grant execute on function app.find_refresh_family(text) to strongroom_auth;

-- A family is found by its id alone, so nobody may take another tenant's.
create function app.keep_family_ids_apart() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    delete from app.refresh_family_ids i where i.id = old.id;
    return old;
  end if;
  insert into app.refresh_family_ids values (new.id);
  return new;
end $$;
revoke all on function app.keep_family_ids_apart() from public;
grant execute on function app.keep_family_ids_apart() to strongroom_owner;
