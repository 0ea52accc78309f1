-- Three zones: this database and two standbys of it. What the platform must know of them, and what
-- it signs while one is missing.

-- A value that the platform writes here and looks for in a zone: the zone that shows it follows this
-- database, and not an earlier one of the same name.
create table app.zone_probes (
  zone       text not null check (zone ~ '^[a-z][a-z0-9_]{0,31}$'),
  watcher    uuid not null, -- one for each process that looks
  nonce      uuid not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (zone, watcher)
);
revoke all on app.zone_probes from public;
grant select, insert, update (nonce, written_at), delete on app.zone_probes
  to strongroom_checkpointer;

-- Signed while a zone was missing, under another name than checkpoints, over what all zones had.
create table app.audit_degraded_checkpoints (
  tenant_id uuid   not null references app.tenants,
  size      bigint not null check (size > 0),
  missing   text[] not null check (cardinality(missing) > 0),
  note      text   not null,
  signed_at bigint not null,
  primary key (tenant_id, size, missing)
);
grant select, insert on app.audit_degraded_checkpoints to strongroom_checkpointer;
create policy checkpointer_degraded_read on app.audit_degraded_checkpoints for select
  to strongroom_checkpointer using (true);
create policy checkpointer_degraded on app.audit_degraded_checkpoints for insert
  to strongroom_checkpointer with check (true);
