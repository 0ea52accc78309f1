-- The authenticator's one way in: a row by key id and hash, and no way to list anything.
create function app.find_api_key(key_id text, key_hash bytea)
returns table (tenant_id uuid, environment text, scheme smallint, hash bytea, actor text,
               capabilities text, expires_at bigint, revoked_at bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.tenant_id, k.environment, k.scheme, k.hash, k.actor, k.capabilities, k.expires_at,
         k.revoked_at
    from app.api_keys k
   where k.id = key_id and k.hash = key_hash
   limit 1
$$;
revoke all on function app.find_api_key(text, bytea) from public;
grant execute on function app.find_api_key(text, bytea) to strongroom_auth;
