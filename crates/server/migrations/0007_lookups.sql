-- One connection by its tenant and name; no way to list anything.
create function app.find_identity_provider(tenant uuid, provider text)
returns table (name text, profile text, issuer text, client_id text, jwks_url text,
               algorithms text, capabilities text, max_age_seconds int, stored_at bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select p.name, p.profile, p.issuer, p.client_id, p.jwks_url, p.algorithms, p.capabilities,
         p.max_age_seconds, p.stored_at
    from app.identity_providers p
   where p.tenant_id = tenant and p.name = provider and p.deleted_at is null
$$;
revoke all on function app.find_identity_provider(uuid, text) from public;
grant execute on function app.find_identity_provider(uuid, text) to strongroom_auth;
