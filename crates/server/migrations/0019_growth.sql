-- What is to be done about a log is noted where it comes to be: nobody asks a log that nothing was
-- written to.

-- Whether a log may have grown since its last checkpoint. One bit, which stays as it is while a log
-- grows: a batch changes no index.
alter table app.audit_logs add column grown boolean not null default true;
create index audit_logs_grown on app.audit_logs (tenant_id) where grown;

create function app.note_growth() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.grown := true;
  return new;
end
$$;
revoke all on function app.note_growth() from public;
create trigger audit_logs_growth before update of size, frontier on app.audit_logs
  for each row when (not new.grown) execute function app.note_growth();

-- The checkpointer takes the note away, and cannot set it.
grant update (grown) on app.audit_logs to strongroom_checkpointer;
create policy checkpointer_notes on app.audit_logs for update to strongroom_checkpointer
  using (true) with check (not grown);

-- A log's runs come with it; when the first verification is due, a node says.
alter table app.verification_runs alter column due_at drop not null;
create function app.open_runs() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into app.verification_runs (tenant_id) values (new.tenant_id) on conflict do nothing;
  insert into app.retention_runs (tenant_id) values (new.tenant_id) on conflict do nothing;
  return null;
end
$$;
revoke all on function app.open_runs() from public;
create trigger audit_logs_runs after insert on app.audit_logs
  for each row execute function app.open_runs();
grant insert (tenant_id) on app.verification_runs, app.retention_runs to strongroom_gateway;

-- Of those that are there, the owner sees none otherwise.
alter table app.audit_logs no force row level security;
alter table app.verification_runs no force row level security;
alter table app.retention_runs no force row level security;
insert into app.verification_runs (tenant_id) select tenant_id from app.audit_logs
  on conflict do nothing;
insert into app.retention_runs (tenant_id) select tenant_id from app.audit_logs
  on conflict do nothing;
alter table app.audit_logs force row level security;
alter table app.verification_runs force row level security;
alter table app.retention_runs force row level security;

-- What is due is found without those that are not.
create index verification_runs_due on app.verification_runs (due_at);
create index retention_runs_due on app.retention_runs (due_at);
