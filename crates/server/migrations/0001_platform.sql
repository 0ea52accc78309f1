-- The platform's tables. Roles come before (postgres/roles.rs), policies after (each table of the
-- migration's list goes under the tenant claim, then the job policies of the next file).
-- Keys start with the tenant: a unique key without it would tell that another tenant has the value.

create table app.tenants (
  tenant_id    uuid        primary key,
  name         text        not null check (length(name) between 1 and 200),
  created_at   timestamptz not null default now()
);

create table app.api_keys (
  tenant_id    uuid     not null references app.tenants,
  id           text     not null check (id ~ '^[0-9A-Za-z]{12}$'),
  environment  text     not null check (environment in ('live', 'test')),
  scheme       smallint not null,
  hash         bytea    not null check (length(hash) = 32),
  actor        text     not null,
  capabilities text     not null,
  issued_at    bigint   not null,
  expires_at   bigint,
  revoked_at   bigint,
  issued_by    text, -- the key that asked for it; none for a tenant's first
  primary key (tenant_id, id)
);
create index api_keys_by_id on app.api_keys (id);

create table app.provider_credentials (
  tenant_id    uuid   not null references app.tenants,
  name         text   not null check (name ~ '^[a-z0-9-]{1,64}$'),
  sealed       bytea  not null, -- empty once deleted
  stored_at    bigint not null,
  primary key (tenant_id, name)
);

create table app.pii_policies (
  tenant_id    uuid   not null references app.tenants,
  hash         bytea  not null check (length(hash) = 32),
  source       text   not null check (length(source) <= 65536),
  activated_at bigint not null,
  primary key (tenant_id, activated_at, hash)
);

create table app.webhook_endpoints (
  tenant_id     uuid   not null references app.tenants,
  id            uuid   not null,
  url           text   not null check (length(url) <= 2048),
  sealed_secret bytea  not null,
  created_at    bigint not null,
  disabled_at   bigint,
  primary key (tenant_id, id)
);

create table app.webhook_outbox (
  tenant_id       uuid   not null,
  id              uuid   not null,
  endpoint_id     uuid   not null,
  body            text   not null check (length(body) <= 20480),
  attempts        int    not null default 0,
  next_attempt_at bigint,
  delivered_at    bigint,
  last_status     int,
  primary key (tenant_id, id),
  foreign key (tenant_id, endpoint_id) references app.webhook_endpoints
);
create index webhook_outbox_due on app.webhook_outbox (next_attempt_at)
  where next_attempt_at is not null;

-- A log's head: its opaque name, and the frontier from which the next batch goes on.
create table app.audit_logs (
  tenant_id uuid   primary key references app.tenants,
  origin    text   not null,
  size      bigint not null default 0 check (size >= 0),
  frontier  bytea  not null default ''
);

-- Events that were written with a row of their own and wait for their place in the log.
create table app.audit_staged (
  tenant_id uuid        not null references app.tenants,
  event_id  uuid        not null,
  leaf      bytea       not null check (length(leaf) <= 1024),
  staged_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, event_id)
);

-- The exact leaf bytes, insert only.
create table app.audit_leaves (
  tenant_id uuid   not null references app.tenants,
  idx       bigint not null check (idx >= 0),
  event_id  uuid   not null,
  leaf      bytea  not null check (length(leaf) <= 1024),
  leaf_hash bytea  not null check (length(leaf_hash) = 32),
  primary key (tenant_id, idx),
  unique (tenant_id, event_id)
);

-- Sealed payloads, apart from the leaves so that one can go while the other stays.
create table app.audit_payloads (
  tenant_id uuid  not null references app.tenants,
  event_id  uuid  not null,
  sealed    bytea not null,
  primary key (tenant_id, event_id)
);

create table app.audit_checkpoints (
  tenant_id uuid   not null references app.tenants,
  size      bigint not null check (size > 0),
  note      text   not null,
  frontier  bytea  not null, -- from which the next checkpoint goes on, once its root is the note's
  signed_at bigint not null,
  primary key (tenant_id, size)
);

-- The platform's own keys, sealed under its root key; rows of the platform's tenant alone.
create table app.platform_keys (
  tenant_id  uuid   not null,
  purpose    text   not null check (purpose in ('claim', 'token', 'checkpoint', 'batch')),
  kid        text   not null,
  sealed     bytea  not null,
  created_at bigint not null,
  primary key (tenant_id, purpose, kid)
);

-- When something of a tenant was last revoked, for every node to see. A reader takes what changed
-- between two snapshots of its own; a number that all tenants shared would be a lock that one
-- tenant's open transaction holds against the revocations of all.
create table app.generations (
  tenant_id  uuid primary key references app.tenants,
  stamp      uuid not null default gen_random_uuid(), -- never the same twice
  changed_in xid8 not null default pg_current_xact_id()
);
create index generations_changed on app.generations (changed_in, tenant_id);

-- Whoever may write the row cannot choose what it says: a stale stamp or an old transaction would
-- hide a revocation. And what other nodes have seen must not be lost in a crash.
create function app.stamp_generation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.stamp := gen_random_uuid();
  new.changed_in := pg_current_xact_id();
  if current_setting('synchronous_commit') <> 'remote_apply' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return new;
end $$;
revoke all on function app.stamp_generation() from public;

create trigger generations_stamped before insert or update on app.generations
  for each row execute function app.stamp_generation();

create function app.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'audit leaves are only ever inserted';
end $$;
revoke all on function app.refuse_change() from public;

create trigger audit_leaves_append_only before update or delete on app.audit_leaves
  for each row execute function app.refuse_change();
create trigger audit_leaves_no_truncate before truncate on app.audit_leaves
  for each statement execute function app.refuse_change();

-- What each role may touch. No role may truncate, refer to or hang triggers on anything.
grant select, insert on app.tenants to strongroom_gateway;
grant select, insert on app.api_keys to strongroom_gateway;
grant update (revoked_at) on app.api_keys to strongroom_gateway;
grant select, insert on app.provider_credentials to strongroom_gateway;
-- By column: a right to change whole rows of a table is also the right to lock it for everyone.
grant update (sealed, stored_at) on app.provider_credentials to strongroom_gateway;
grant select, insert on app.pii_policies to strongroom_gateway;
grant select, insert on app.webhook_endpoints to strongroom_gateway;
grant update (disabled_at) on app.webhook_endpoints to strongroom_gateway;
grant select, insert on app.webhook_outbox to strongroom_gateway;
grant select, insert on app.audit_logs to strongroom_gateway;
-- Not when it was staged: a writer must not be able to jump the queue.
grant insert (tenant_id, event_id, leaf) on app.audit_staged to strongroom_gateway;
grant select on app.audit_leaves, app.audit_payloads, app.audit_checkpoints to strongroom_gateway;
grant select (tenant_id), insert (tenant_id), update (stamp) on app.generations
  to strongroom_gateway;

grant select on app.audit_logs to strongroom_sequencer;
grant update (size, frontier) on app.audit_logs to strongroom_sequencer;
grant select, delete on app.audit_staged to strongroom_sequencer;
-- A lock on a staged row needs the right to change some column of it.
grant update (staged_at) on app.audit_staged to strongroom_sequencer;
grant select, insert on app.audit_leaves to strongroom_sequencer;
grant insert on app.audit_payloads to strongroom_sequencer;

grant select on app.audit_logs, app.audit_leaves to strongroom_checkpointer;
grant select, insert on app.audit_checkpoints to strongroom_checkpointer;

grant select on app.webhook_endpoints, app.webhook_outbox to strongroom_deliverer;
grant update (disabled_at) on app.webhook_endpoints to strongroom_deliverer;
grant update (attempts, next_attempt_at, delivered_at, last_status)
  on app.webhook_outbox to strongroom_deliverer;

grant select, insert on app.platform_keys to strongroom_keymaster;

grant select on app.generations to strongroom_watcher;

grant select on app.api_keys to strongroom_auth_owner;

-- Each job sees every tenant's rows, of its own tables only.
create policy sequencer_heads on app.audit_logs to strongroom_sequencer
  using (true) with check (true);
create policy sequencer_staged on app.audit_staged to strongroom_sequencer
  using (true) with check (true);
create policy sequencer_leaves_read on app.audit_leaves for select to strongroom_sequencer
  using (true);
create policy sequencer_leaves on app.audit_leaves for insert to strongroom_sequencer
  with check (true);
create policy sequencer_payloads on app.audit_payloads for insert to strongroom_sequencer
  with check (true);
create policy checkpointer_heads on app.audit_logs for select to strongroom_checkpointer
  using (true);
create policy checkpointer_leaves on app.audit_leaves for select to strongroom_checkpointer
  using (true);
create policy checkpointer_read on app.audit_checkpoints for select to strongroom_checkpointer
  using (true);
create policy checkpointer_sign on app.audit_checkpoints for insert to strongroom_checkpointer
  with check (true);
create policy deliverer_endpoints on app.webhook_endpoints to strongroom_deliverer
  using (true) with check (true);
create policy deliverer_outbox on app.webhook_outbox to strongroom_deliverer
  using (true) with check (true);
create policy keymaster_keys on app.platform_keys to strongroom_keymaster
  using (tenant_id = '00000000-0000-8000-8000-000000000001')
  with check (tenant_id = '00000000-0000-8000-8000-000000000001');
create policy watcher_generations on app.generations for select to strongroom_watcher
  using (true);
create policy authenticator_keys on app.api_keys for select to strongroom_auth_owner
  using (true);
