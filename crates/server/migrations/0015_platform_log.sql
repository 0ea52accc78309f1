-- The platform's log of all tenants' checkpoints: kept in the tables of tenants' logs, as the log of
-- a tenant as whom nobody acts.

alter table app.platform_keys
  drop constraint platform_keys_purpose_check,
  add constraint platform_keys_purpose_check
    check (purpose in ('claim', 'token', 'checkpoint', 'batch', 'pepper', 'cosigner'));

-- A tenant's checkpoint as an entry of the platform's log. The salt is what shows that the entry is
-- of this checkpoint: sealed under the tenant's key, and gone with it.
create table app.audit_anchors (
  tenant_id uuid   not null references app.tenants,
  size      bigint not null check (size > 0), -- the checkpoint's
  entry_id  uuid   not null,                  -- the entry's event id in the platform's log
  sealed    bytea,
  primary key (tenant_id, size)
);

-- The platform's checkpoints with the times at which they stood.
create table app.audit_cosigned (
  tenant_id uuid   not null references app.tenants,
  time      bigint not null check (time > 0), -- in Unix seconds
  size      bigint not null check (size > 0), -- the checkpoint's
  note      text   not null,
  primary key (tenant_id, time)
);
create index audit_cosigned_by_size on app.audit_cosigned (tenant_id, size);

grant select on app.audit_anchors, app.audit_cosigned to strongroom_gateway;
grant select, insert on app.audit_anchors, app.audit_cosigned to strongroom_checkpointer;
grant select (tenant_id, event_id), insert (tenant_id, event_id, leaf) on app.audit_staged
  to strongroom_checkpointer;
create policy checkpointer_anchors_read on app.audit_anchors for select
  to strongroom_checkpointer using (true);
create policy checkpointer_anchors on app.audit_anchors for insert
  to strongroom_checkpointer with check (true);
create policy checkpointer_cosigned_read on app.audit_cosigned for select
  to strongroom_checkpointer using (true);
create policy checkpointer_cosigned on app.audit_cosigned for insert
  to strongroom_checkpointer with check (true);
-- What it writes into a log is the platform's log alone.
create policy checkpointer_staged_read on app.audit_staged for select
  to strongroom_checkpointer using (tenant_id = '00000000-0000-8000-8000-000000000002');
create policy checkpointer_staged on app.audit_staged for insert
  to strongroom_checkpointer with check (tenant_id = '00000000-0000-8000-8000-000000000002');
