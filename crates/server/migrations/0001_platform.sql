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

-- Key-encryption keys, a row for each version, wrapped by the tenant's root key. A destroyed one
-- stays as a tombstone, beyond its tenant's own row: hence no reference to it.
create table app.tenant_keks (
  tenant_id    uuid     not null,
  name         text     not null check (name ~ '^[-A-Za-z0-9._:/]{1,128}$'),
  version      int      not null check (version > 0),
  state        text     not null check (state in ('active', 'decrypt-only', 'destroyed')),
  created_at   bigint   not null,
  check_value  bytea    not null check (length(check_value) = 32),
  provider     smallint not null,
  root_key     text     not null,
  root_version bigint   not null,
  wrapped      bytea    check (length(wrapped) between 1 and 1024), -- none once destroyed
  check ((state = 'destroyed') = (wrapped is null)),
  primary key (tenant_id, name, version)
);

create function app.keep_kek() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare states constant text[] := array['active', 'decrypt-only', 'destroyed'];
begin
  if tg_op = 'INSERT' and new.state = 'active' then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.state <> 'destroyed'
    and array_position(states, new.state) >= array_position(states, old.state)
    and (new.tenant_id, new.name, new.version, new.created_at, new.check_value)
      = (old.tenant_id, old.name, old.version, old.created_at, old.check_value) then
    return new;
  end if;
  raise exception 'a key version moves forward only, and its tombstone stays';
end $$;
revoke all on function app.keep_kek() from public;

create trigger tenant_keks_move_forward before insert or update or delete on app.tenant_keks
  for each row execute function app.keep_kek();
create trigger tenant_keks_no_truncate before truncate on app.tenant_keks
  for each statement execute function app.keep_kek();

-- What is sealed under a key version that is being destroyed at the same time would be lost: the
-- one waits for the other, and what comes second finds the version destroyed.
create function app.require_live_kek() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from app.tenant_keks k
    where k.tenant_id = new.tenant_id and k.name = new.kek and k.version = new.kek_version
    and k.state <> 'destroyed' for key share;
  if new.kek is not null and not found then
    raise exception 'there is no such key version, or it is destroyed';
  end if;
  return new;
end $$;
revoke all on function app.require_live_kek() from public;

-- Data-encryption keys of what names its key by an id, each wrapped by a KEK.
create table app.tenant_deks (
  tenant_id   uuid   not null references app.tenants,
  dek_id      bytea  not null check (length(dek_id) = 16),
  kek         text   not null,
  kek_version int    not null,
  wrapped     bytea  not null check (length(wrapped) between 1 and 1024),
  state       text   not null default 'active' check (state in ('active', 'retired')),
  created_at  bigint not null,
  primary key (tenant_id, dek_id),
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks
);
create index tenant_deks_active on app.tenant_deks (tenant_id) where state = 'active';
create index tenant_deks_by_kek on app.tenant_deks (tenant_id, kek, kek_version, dek_id);

-- Rotations of a tenant's keys, and how far each has come: it goes on from here after a crash.
create table app.key_rotations (
  tenant_id   uuid    not null references app.tenants,
  id          uuid    not null,
  cause       text    not null check (cause in ('schedule', 'break-glass')),
  exposed     text    not null check (exposed in ('none', 'old_wraps', 'kek', 'dek')),
  reencrypt   boolean not null,
  request_id  text    not null,
  cutoff      bigint  not null, -- what was made until then is replaced
  phase       text    not null default 'making' check (phase in ('making', 'spreading',
              'rewrapping', 'reencrypting', 'overlapping', 'finished', 'superseded')),
  due_at      bigint  not null default 0,
  worked_at   timestamptz not null default '-infinity',
  rows_done   bigint  not null default 0,
  rows_total  bigint,
  started_at  bigint  not null,
  finished_at bigint,
  check ((finished_at is null) = (phase not in ('finished', 'superseded'))),
  primary key (tenant_id, id)
);
create unique index key_rotations_open on app.key_rotations (tenant_id) where finished_at is null;

create table app.key_schedules (
  tenant_id     uuid primary key references app.tenants,
  rotation_days int  not null check (rotation_days between 1 and 365)
);

create table app.provider_credentials (
  tenant_id    uuid   not null references app.tenants,
  name         text   not null check (name ~ '^[a-z0-9-]{1,64}$'),
  sealed       bytea  not null, -- empty once deleted
  stored_at    bigint not null,
  kek          text,            -- what it is sealed under, as the sealed record says too
  kek_version  int,
  check ((sealed = '') = (kek is null) and (kek is null) = (kek_version is null)),
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks,
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
  kek           text   not null,
  kek_version   int    not null,
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks,
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
  slice     text   check (slice in ('break-glass')), -- events to be reviewed by themselves
  primary key (tenant_id, idx),
  unique (tenant_id, event_id)
);

create index audit_leaves_by_slice on app.audit_leaves (tenant_id, slice, idx)
  where slice is not null;

-- Sealed payloads, apart from the leaves so that one can go while the other stays.
create table app.audit_payloads (
  tenant_id uuid  not null references app.tenants,
  event_id  uuid  not null,
  sealed    bytea not null,
  dek_id    bytea not null,
  -- A data key that something is sealed under cannot go.
  foreign key (tenant_id, dek_id) references app.tenant_deks on delete restrict,
  primary key (tenant_id, event_id)
);
create index audit_payloads_by_dek on app.audit_payloads (tenant_id, dek_id);

create table app.audit_checkpoints (
  tenant_id uuid   not null references app.tenants,
  size      bigint not null check (size > 0),
  note      text   not null,
  frontier  bytea  not null, -- from which the next checkpoint goes on, once its root is the note's
  signed_at bigint not null,
  primary key (tenant_id, size)
);

-- The platform's own keys, sealed under its own KEK; rows of the platform's tenant alone.
create table app.platform_keys (
  tenant_id   uuid   not null,
  purpose     text   not null check (purpose in ('claim', 'token', 'checkpoint', 'batch')),
  kid         text   not null,
  sealed      bytea  not null,
  created_at  bigint not null,
  kek         text   not null,
  kek_version int    not null,
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks,
  primary key (tenant_id, purpose, kid)
);

create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.tenant_deks for each row execute function app.require_live_kek();
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.provider_credentials for each row execute function app.require_live_kek();
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.webhook_endpoints for each row execute function app.require_live_kek();
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.platform_keys for each row execute function app.require_live_kek();

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
grant update (sealed, stored_at, kek, kek_version) on app.provider_credentials
  to strongroom_gateway;
-- Not the wrapped keys. The right to change one column is what a lock on a row asks for; the
-- trigger lets nobody change it.
grant select (tenant_id, name, version, state, created_at), insert, update (created_at)
  on app.tenant_keks to strongroom_gateway;
grant select, insert on app.key_rotations to strongroom_gateway;
grant update (phase, finished_at) on app.key_rotations to strongroom_gateway;
grant select, insert, update (rotation_days) on app.key_schedules to strongroom_gateway;
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

grant select, insert on app.platform_keys, app.tenant_keks, app.tenant_deks, app.key_rotations
  to strongroom_keymaster;
grant update (created_at, state, wrapped) on app.tenant_keks to strongroom_keymaster;
grant update (kek, kek_version, wrapped, state) on app.tenant_deks to strongroom_keymaster;
grant update (phase, due_at, worked_at, rows_done, rows_total, finished_at)
  on app.key_rotations to strongroom_keymaster;
grant select on app.key_schedules to strongroom_keymaster;
grant select (tenant_id) on app.tenants to strongroom_keymaster;
-- What is wrapped again when a key is rotated, and where.
grant select (tenant_id, name, sealed, kek, kek_version), update (sealed, kek, kek_version)
  on app.provider_credentials to strongroom_keymaster;
grant select (tenant_id, id, sealed_secret, kek, kek_version),
  update (sealed_secret, kek, kek_version) on app.webhook_endpoints to strongroom_keymaster;
grant update (sealed, kek, kek_version) on app.platform_keys to strongroom_keymaster;
grant select, update (sealed, dek_id) on app.audit_payloads to strongroom_keymaster;
grant select (tenant_id), insert (tenant_id), update (stamp) on app.generations
  to strongroom_keymaster;
grant insert (tenant_id, event_id, leaf) on app.audit_staged to strongroom_keymaster;

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
create policy keymaster_keks on app.tenant_keks to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_deks on app.tenant_deks to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_rotations on app.key_rotations to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_tenants on app.tenants for select to strongroom_keymaster
  using (true);
create policy keymaster_schedules on app.key_schedules for select to strongroom_keymaster
  using (true);
create policy keymaster_credentials on app.provider_credentials to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_endpoints on app.webhook_endpoints to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_payloads on app.audit_payloads to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_generations on app.generations to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_staged on app.audit_staged for insert to strongroom_keymaster
  with check (true);
create policy authenticator_keys on app.api_keys for select to strongroom_auth_owner
  using (true);
