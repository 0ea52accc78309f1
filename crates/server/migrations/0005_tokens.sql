-- Access tokens: what was revoked before its time, and the families that renew them.

-- Tokens that were minted in an earlier epoch of their tenant are over.
alter table app.tenants add column token_epoch bigint not null default 0;

create function app.keep_token_epoch() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.token_epoch < old.token_epoch then
    raise exception 'an epoch of tokens does not come back';
  end if;
  return new;
end $$;
revoke all on function app.keep_token_epoch() from public;
create trigger token_epochs_grow before update on app.tenants
  for each row execute function app.keep_token_epoch();

create table app.token_revocations (
  tenant_id  uuid   not null references app.tenants,
  kind       text   not null check (kind in ('token', 'session', 'actor')),
  subject    text   not null check (length(subject) <= 64), -- a jti, a sid, an actor
  revoked_at bigint not null,
  primary key (tenant_id, kind, subject)
);
create index token_revocations_by_time on app.token_revocations (revoked_at);

create table app.refresh_families (
  tenant_id      uuid   not null references app.tenants,
  id             text   not null check (id ~ '^[0-9A-Za-z]{12}$'),
  version        bigint not null,
  actors         text[] not null check (cardinality(actors) between 1 and 9), -- who acts first
  capabilities   text   not null,
  session_id     uuid   not null,
  client_id      text   not null check (length(client_id) between 1 and 256),
  auth_time      bigint not null,
  auth_class     text,
  auth_methods   text[] not null,
  epoch          bigint not null,
  lineage        bytea  not null check (length(lineage) = 32),
  generation     bigint not null,
  newest         bytea  not null check (length(newest) = 32),
  parent         bytea  check (length(parent) = 32),
  successor      bytea  check (length(successor) = 60),
  begun_at       bigint not null,
  rotated_at     bigint not null,
  revoked_at     bigint,
  revoked_reason text   check (revoked_reason in ('reuse', 'request')),
  check ((revoked_at is null) = (revoked_reason is null)),
  primary key (tenant_id, id)
);
create index refresh_families_by_id on app.refresh_families (id);
create index refresh_families_by_session on app.refresh_families (tenant_id, session_id);
create index refresh_families_by_age on app.refresh_families (tenant_id, begun_at, id);
create index refresh_families_sealed on app.refresh_families (rotated_at)
  where successor is not null;
create index refresh_families_begun on app.refresh_families (begun_at);
create index refresh_families_rotated on app.refresh_families (rotated_at);

-- Whoever may write the row cannot bring a family back, nor an earlier state of it.
create function app.keep_family_ends() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.version <> old.version + 1 or new.generation < old.generation
    or (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
  then
    raise exception 'a family of refresh tokens moves forward only';
  end if;
  return new;
end $$;
revoke all on function app.keep_family_ends() from public;
create trigger family_ends_stay before update on app.refresh_families
  for each row execute function app.keep_family_ends();

-- Every family's id, whosever it is; no login role may read it.
create table app.refresh_family_ids (id text primary key);
grant insert, delete on app.refresh_family_ids to strongroom_auth_owner;
grant select (id) on app.refresh_family_ids to strongroom_auth_owner;

grant select (tenant_id, token_epoch), update (token_epoch) on app.tenants to strongroom_gateway;
grant select, insert, update (revoked_at) on app.token_revocations to strongroom_gateway;
-- Not the hashes and the lineage.
grant select (tenant_id, id, version, actors, capabilities, session_id, client_id, auth_time,
    epoch, generation, begun_at, rotated_at, revoked_at, revoked_reason),
  insert,
  update (version, generation, newest, parent, successor, rotated_at, revoked_at, revoked_reason)
  on app.refresh_families to strongroom_gateway;

grant select (tenant_id, token_epoch) on app.tenants to strongroom_auth_owner;
grant select on app.token_revocations, app.refresh_families to strongroom_auth_owner;

grant select (tenant_id, kind, subject, revoked_at), delete on app.token_revocations
  to strongroom_sweeper;
grant select (tenant_id, id, version, successor, begun_at, rotated_at),
  update (version, successor), delete on app.refresh_families to strongroom_sweeper;

create policy authenticator_epochs on app.tenants for select to strongroom_auth_owner
  using (true);
create policy authenticator_revocations on app.token_revocations for select
  to strongroom_auth_owner using (true);
create policy authenticator_families on app.refresh_families for select
  to strongroom_auth_owner using (true);
create policy sweeper_revocations on app.token_revocations to strongroom_sweeper
  using (true) with check (true);
create policy sweeper_families on app.refresh_families to strongroom_sweeper
  using (true) with check (true);
