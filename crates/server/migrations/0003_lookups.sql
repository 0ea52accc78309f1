-- The authenticator's ways in: a row by its id, the hash compared by who asks, and the times of last
-- uses. No way to list anything.
drop function app.find_api_key(text, bytea);
create function app.find_api_key(key_id text)
returns table (tenant_id uuid, environment text, scheme smallint, hash bytea, actor text,
               capabilities text, expires_at bigint, revoked_at bigint, networks text,
               successor text, retires_at bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.tenant_id, k.environment, k.scheme, k.hash, k.actor, k.capabilities, k.expires_at,
         k.revoked_at, k.networks, k.successor, k.retires_at
    from app.api_keys k
   where k.id = key_id
$$;
revoke all on function app.find_api_key(text) from public;
grant execute on function app.find_api_key(text) to strongroom_auth;

create function app.note_key_uses(ids text[], times bigint[])
returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  update app.api_keys k set last_used_at = u.at
    from unnest(ids, times) as u (id, at)
   where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)
$$;
revoke all on function app.note_key_uses(text[], bigint[]) from public;
grant execute on function app.note_key_uses(text[], bigint[]) to strongroom_auth;

-- A key is found by its id alone, so nobody may take another tenant's. A unique index would say the
-- same, but the lock is only this id's, and no error names a row.
create function app.keep_key_ids_apart() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(new.id, 0));
  if exists (select from app.api_keys k where k.id = new.id) then
    raise unique_violation using message = 'an api key has this id';
  end if;
  return new;
end $$;
revoke all on function app.keep_key_ids_apart() from public;
grant execute on function app.keep_key_ids_apart() to strongroom_owner;
