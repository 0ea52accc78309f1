-- The outbox in the long run: taken by turns, parked, bounded, and deleted after its time.
alter table app.webhook_outbox
  add column parked_at  bigint, -- since when it waits for its endpoint to be enabled
  add column settled_at bigint, -- since when nothing more is tried
  add check (parked_at is null or next_attempt_at is null),
  add check (settled_at is null or (next_attempt_at is null and parked_at is null));
alter table app.webhook_endpoints
  add column dropped    bigint not null default 0, -- messages that were not stored: too many waited
  add column dropped_at bigint;

-- What was settled before this was stored: since its last attempt, or as if now. The tables' owner is
-- under their policies, which show it nothing.
alter table app.webhook_outbox no force row level security;
alter table app.webhook_attempts no force row level security;
update app.webhook_outbox o set settled_at = coalesce(
    greatest(o.delivered_at, (select max(a.at) from app.webhook_attempts a
      where a.tenant_id = o.tenant_id and a.message_id = o.id)),
    extract(epoch from clock_timestamp())::bigint)
  where o.next_attempt_at is null;
alter table app.webhook_outbox force row level security;
alter table app.webhook_attempts force row level security;

-- A tenant's oldest messages, and the next tenant that has any.
create index webhook_outbox_turns on app.webhook_outbox (tenant_id, next_attempt_at, id)
  where next_attempt_at is not null;
create index webhook_outbox_waiting on app.webhook_outbox (tenant_id, endpoint_id)
  where next_attempt_at is not null or parked_at is not null;
create index webhook_outbox_settled on app.webhook_outbox (settled_at)
  where settled_at is not null;
create index webhook_outbox_parked on app.webhook_outbox (parked_at)
  where parked_at is not null;
create index webhook_attempts_by_time on app.webhook_attempts (at);

grant update (parked_at, settled_at) on app.webhook_outbox to strongroom_gateway;
grant update (dropped, dropped_at) on app.webhook_endpoints to strongroom_gateway;

grant update (parked_at, settled_at), delete on app.webhook_outbox to strongroom_deliverer;
grant update (dropped, dropped_at) on app.webhook_endpoints to strongroom_deliverer;
grant update (id) on app.webhook_old_secrets to strongroom_deliverer; -- to lock a row
grant select (tenant_id, id, message_id, at), delete on app.webhook_attempts
  to strongroom_deliverer;
create policy deliverer_attempts_read on app.webhook_attempts for select to strongroom_deliverer
  using (true);
create policy deliverer_attempts_old on app.webhook_attempts for delete to strongroom_deliverer
  using (true);

-- How many messages wait for an endpoint; who asks counts to five thousand. By index, whatever the
-- planner believes of a table in which one endpoint may have nearly all rows.
create function app.webhook_backlog(tenant uuid, endpoint uuid) returns bigint
language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
  select count(*) from (
    select from app.webhook_outbox o
     where o.tenant_id = tenant and o.endpoint_id = endpoint
       and (o.next_attempt_at is not null or o.parked_at is not null)
     limit 5000) as waiting
$$;
-- The same of the claim's own tenant.
create function app.webhook_backlog(endpoint uuid) returns bigint
language sql stable set search_path = pg_catalog, pg_temp as $$
  select app.webhook_backlog((select app.tenant_id()), endpoint)
$$;
revoke all on function app.webhook_backlog(uuid), app.webhook_backlog(uuid, uuid) from public;
grant execute on function app.webhook_backlog(uuid), app.webhook_backlog(uuid, uuid)
  to strongroom_gateway;
grant execute on function app.webhook_backlog(uuid, uuid) to strongroom_deliverer;
