-- One connection by its tenant and name; no way to list anything.
create function app.find_identity_provider(tenant uuid, provider text)
returns table (name text, profile text, issuer text, client_id text, jwks_url text,
               algorithms text, capabilities text, max_age_seconds int, trust uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select p.name, p.profile, p.issuer, p.client_id, p.jwks_url, p.algorithms, p.capabilities,
         p.max_age_seconds, p.trust
    from app.identity_providers p
   where p.tenant_id = tenant and p.name = provider and p.deleted_at is null
$$;
revoke all on function app.find_identity_provider(uuid, text) from public;
grant execute on function app.find_identity_provider(uuid, text) to strongroom_auth;

-- The connection that a session was let in by, if it still believes whom it believed then.
create function app.find_session_provider(tenant uuid, session uuid)
returns table (name text, profile text, issuer text, client_id text, jwks_url text,
               algorithms text, capabilities text, max_age_seconds int)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select p.name, p.profile, p.issuer, p.client_id, p.jwks_url, p.algorithms, p.capabilities,
         p.max_age_seconds
    from app.refresh_families f
    join app.identity_providers p on p.tenant_id = f.tenant_id and p.trust = f.trust
   where f.tenant_id = tenant and f.session_id = session and p.deleted_at is null
$$;
revoke all on function app.find_session_provider(uuid, uuid) from public;
grant execute on function app.find_session_provider(uuid, uuid) to strongroom_auth;
