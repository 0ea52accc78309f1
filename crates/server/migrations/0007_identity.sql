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
  trust           uuid   not null, -- another one, whenever whom it believes changes
  primary key (tenant_id, name)
);

-- Whoever may write the row cannot say that a login by another issuer's token was by this one's.
create function app.renew_trust() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.trust := gen_random_uuid();
  if tg_op = 'UPDATE' and old.deleted_at is null and new.deleted_at is null
    and (new.profile, new.issuer, new.client_id, new.jwks_url)
      = (old.profile, old.issuer, old.client_id, old.jwks_url)
  then
    new.trust := old.trust;
  end if;
  return new;
end $$;
revoke all on function app.renew_trust() from public;
create trigger identity_providers_are_trusted before insert or update on app.identity_providers
  for each row execute function app.renew_trust();

-- What a login was let in by; null for one that no identity provider proved.
alter table app.refresh_families add column trust uuid;

-- When all tokens of a tenant ended, by the clock that all nodes share.
alter table app.token_epochs add column grown_at bigint;
create or replace function app.count_token_epoch() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.epoch := case when tg_op = 'INSERT' then 1 else old.epoch + 1 end;
  new.grown_at := extract(epoch from clock_timestamp())::bigint;
  if tg_op = 'UPDATE' then
    new.grown_at := greatest(new.grown_at, old.grown_at);
  end if;
  return new;
end $$;

grant select, insert,
  update (profile, issuer, client_id, jwks_url, algorithms, capabilities, max_age_seconds,
          stored_at, deleted_at)
  on app.identity_providers to strongroom_gateway;

-- Who logs in has no tenant yet: the authenticator finds the one connection that they name.
grant select on app.identity_providers to strongroom_auth_owner;
create policy authenticator_identity_providers on app.identity_providers for select
  to strongroom_auth_owner using (true);
