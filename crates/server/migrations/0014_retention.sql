-- Retention: how long a tenant keeps what its agents said, and an organisation's erasure.

-- A tenant's choice; without a row 90 days, and no agent marked.
create table app.retention (
  tenant_id  uuid   primary key references app.tenants,
  agent_days int    not null check (agent_days between 30 and 365),
  high_risk  uuid[] not null default '{}' check (cardinality(high_risk) <= 1000),
  changed_at bigint not null
);

-- When a tenant's payloads are looked at next, and how far the look has come.
create table app.retention_runs (
  tenant_id uuid   primary key references app.tenants,
  due_at    bigint not null default 0,
  next_idx  bigint not null default 0,
  held_until bigint not null default 0 -- what failed must not keep the others
);

-- Erasures of all that an organisation's agents said, up to a size of its log.
create table app.erasures (
  tenant_id    uuid   not null references app.tenants,
  id           uuid   not null,
  request_id   text   not null,
  below        bigint not null check (below >= 0), -- the log's size when it was asked for
  phase        text   not null default 'erasing'
               check (phase in ('erasing', 'retiring', 'resealing', 'overlapping', 'finished')),
  next_idx     bigint not null default 0,
  due_at       bigint not null default 0,
  payloads     bigint not null default 0, -- that were erased
  data_keys    bigint not null default 0, -- that were destroyed
  requested_at bigint not null,
  finished_at  bigint,
  check ((finished_at is null) = (phase <> 'finished')),
  primary key (tenant_id, id)
);
create unique index erasures_open on app.erasures (tenant_id) where finished_at is null;

grant select, insert, update (agent_days, high_risk, changed_at) on app.retention
  to strongroom_gateway;
grant select, insert (tenant_id, id, request_id, below, requested_at) on app.erasures
  to strongroom_gateway;

-- The eraser sees what it needs to decide. It deletes nothing: that is the function's.
grant select (tenant_id, size) on app.audit_logs to strongroom_eraser;
grant select (tenant_id, idx, event_id, leaf) on app.audit_leaves to strongroom_eraser;
grant select (tenant_id, event_id) on app.audit_payloads to strongroom_eraser;
grant select on app.retention to strongroom_eraser;
grant select, insert (tenant_id), update (due_at, next_idx, held_until) on app.retention_runs
  to strongroom_eraser;
grant select, update (phase, next_idx, payloads) on app.erasures to strongroom_eraser;
create policy eraser_logs on app.audit_logs for select to strongroom_eraser using (true);
create policy eraser_leaves on app.audit_leaves for select to strongroom_eraser using (true);
create policy eraser_payloads on app.audit_payloads for select to strongroom_eraser using (true);
create policy eraser_retention on app.retention for select to strongroom_eraser using (true);
create policy eraser_runs on app.retention_runs to strongroom_eraser
  using (true) with check (true);
create policy eraser_erasures_read on app.erasures for select to strongroom_eraser using (true);
create policy eraser_erasures on app.erasures for update to strongroom_eraser
  using (phase = 'erasing') with check (phase in ('erasing', 'retiring'));

-- The keymaster destroys the data keys of what was erased: those under tenants' own keys, which
-- payloads alone are sealed under, when they seal no more. One that is in use cannot go.
grant select, update (phase, due_at, data_keys, finished_at) on app.erasures to strongroom_keymaster;
create policy keymaster_erasures on app.erasures to strongroom_keymaster
  using (true) with check (phase <> 'erasing');
grant delete on app.tenant_deks to strongroom_keymaster;
create policy keymaster_deks_unused on app.tenant_deks as restrictive for delete
  to strongroom_keymaster using (kek = 'tenant' and state = 'retired');

-- What the function of the next file works with.
grant select on app.audit_leaves, app.retention, app.erasures to strongroom_auth_owner;
grant select (tenant_id, event_id), delete on app.audit_payloads to strongroom_auth_owner;
create policy erasing_leaves on app.audit_leaves for select to strongroom_auth_owner using (true);
create policy erasing_retention on app.retention for select to strongroom_auth_owner using (true);
create policy erasing_erasures on app.erasures for select to strongroom_auth_owner using (true);
create policy erasing_read on app.audit_payloads for select to strongroom_auth_owner using (true);
create policy erasing on app.audit_payloads for delete to strongroom_auth_owner using (true);
