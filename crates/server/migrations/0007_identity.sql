-- Whose ID tokens a tenant accepts, and what the people in them may do.
create table app.identity_providers (
  tenant_id       uuid   not null references app.tenants,
  name            text   not null check (name ~ '^[a-z0-9-]{1,64}$'),
  profile         text   not null check (profile in ('oidc', 'firebase')),
  issuer          text   not null check (length(issuer) between 1 and 2048),
  client_id       text   not null check (length(client_id) between 1 and 255),
  jwks_url        text   not null check (length(jwks_url) between 1 and 2048),
  algorithms      text   not null check (algorithms in ('RS256', 'ES256', 'RS256 ES256')),
  capabilities    text   not null check (length(capabilities) between 1 and 4096),
  max_age_seconds int    not null check (max_age_seconds between 60 and 86400),
  stored_at       bigint not null,
  deleted_at      bigint,
  primary key (tenant_id, name)
);

grant select, insert,
  update (profile, issuer, client_id, jwks_url, algorithms, capabilities, max_age_seconds,
          stored_at, deleted_at)
  on app.identity_providers to strongroom_gateway;

-- Who logs in has no tenant yet: the authenticator finds the one connection that they name.
grant select on app.identity_providers to strongroom_auth_owner;
create policy authenticator_identity_providers on app.identity_providers for select
  to strongroom_auth_owner using (true);
