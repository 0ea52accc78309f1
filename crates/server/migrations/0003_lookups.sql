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
  with uses as (
    select k.tenant_id, k.id, u.at from unnest(ids, times) as u (id, at)
      join app.api_keys k on k.id = u.id
     where k.last_used_at is null or k.last_used_at < u.at
     order by k.id for no key update of k skip locked)
  update app.api_keys k set last_used_at = u.at from uses u
   where k.tenant_id = u.tenant_id and k.id = u.id
$$;
revoke all on function app.note_key_uses(text[], bigint[]) from public;
grant execute on function app.note_key_uses(text[], bigint[]) to strongroom_auth;

-- A key is found by its id alone, so nobody may take another tenant's: not even in a transaction
-- that sees an old snapshot, which a unique key does not care about.
insert into app.api_key_ids select id from app.api_keys;
create function app.keep_key_ids_apart() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into app.api_key_ids values (new.id);
  return new;
end $$;
revoke all on function app.keep_key_ids_apart() from public;
grant execute on function app.keep_key_ids_apart() to strongroom_owner;
