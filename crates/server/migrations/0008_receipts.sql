-- Webhooks that a tenant's services receive: what was accepted, for all of their nodes.
create table app.webhook_receipts (
  tenant_id  uuid     not null references app.tenants,
  endpoint   text     not null check (length(endpoint) between 1 and 256),
  id         text     not null check (length(id) between 1 and 256),
  timestamp  bigint   not null, -- the delivery whose claim led to the state
  timestamps bigint[] not null, -- every delivery that was accepted
  state      text     not null check (state in ('claimed', 'committed', 'released')),
  lapses_at  bigint   not null, -- when a claim that nobody settles is over
  until      bigint   not null, -- how long all this is remembered, at the least
  check (cardinality(timestamps) between 1 and 1000),
  primary key (tenant_id, endpoint, id)
);
create index webhook_receipts_by_end on app.webhook_receipts (until);

-- What a receiver was told is not lost in a crash: the message would be handled twice.
create function app.write_durably() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('synchronous_commit') <> 'remote_apply' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return new;
end $$;
revoke all on function app.write_durably() from public;
create trigger webhook_receipts_durable before insert or update on app.webhook_receipts
  for each row execute function app.write_durably();

grant select, insert, update (timestamp, timestamps, state, lapses_at, until)
  on app.webhook_receipts to strongroom_gateway;
-- A lock on a row needs the right to change some column of it, and a policy; nothing is changed.
grant select (tenant_id, endpoint, id, until), update (until), delete on app.webhook_receipts
  to strongroom_deliverer;

create policy deliverer_receipts_read on app.webhook_receipts for select to strongroom_deliverer
  using (true);
create policy deliverer_receipts_lock on app.webhook_receipts for update to strongroom_deliverer
  using (true) with check (false);
create policy deliverer_receipts on app.webhook_receipts for delete to strongroom_deliverer
  using (true);
