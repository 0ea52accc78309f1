-- When each log is verified next, and what the last pass over it found.
create table app.verification_runs (
  tenant_id   uuid   primary key references app.tenants,
  due_at      bigint not null,
  finished_at bigint,                                             -- the last pass's end
  entries     bigint not null default 0 check (entries >= 0),     -- that it read
  findings    bigint not null default 0 check (findings >= 0),
  first_found text   check (length(first_found) <= 1024)
);

grant select, insert (tenant_id, due_at), update (due_at, finished_at, entries, findings, first_found)
  on app.verification_runs to strongroom_checkpointer;
create policy checkpointer_verification_runs on app.verification_runs to strongroom_checkpointer
  using (true) with check (true);

-- A tenant sees when its own log was read.
grant select on app.verification_runs to strongroom_gateway;
