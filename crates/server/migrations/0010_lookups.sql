drop function app.find_api_key(text);
create function app.find_api_key(key_id text)
returns table (tenant_id uuid, environment text, scheme smallint, hash bytea, actor text,
               capabilities text, expires_at bigint, revoked_at bigint, networks text,
               successor text, retires_at bigint, pepper integer)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.tenant_id, k.environment, k.scheme, k.hash, k.actor, k.capabilities, k.expires_at,
         k.revoked_at, k.networks, k.successor, k.retires_at, k.pepper
    from app.api_keys k
   where k.id = key_id
$$;
revoke all on function app.find_api_key(text) from public;
grant execute on function app.find_api_key(text) to strongroom_auth;
