-- Webhooks: secrets that overlap, endpoints that are given up, attempts that a tenant can see.
alter table app.webhook_endpoints
  add column first_failure_at bigint, -- since when nothing was delivered, though something was tried
  add column disabled_reason text check (disabled_reason in ('failing', 'gone', 'tenant')),
  add check (disabled_reason is null or disabled_at is not null),
  add check (length(sealed_secret) <= 1024);

-- What every tenant's messages are taken together with must not fail for one of them.
alter table app.webhook_outbox add check (attempts between 0 and 1000);

-- Secrets that were replaced: messages are signed with them too until they are over.
create table app.webhook_old_secrets (
  tenant_id   uuid   not null,
  endpoint_id uuid   not null,
  id          uuid   not null,
  sealed      bytea  not null check (length(sealed) <= 1024),
  expires_at  bigint not null,
  kek         text   not null,
  kek_version int    not null,
  primary key (tenant_id, endpoint_id, id),
  foreign key (tenant_id, endpoint_id) references app.webhook_endpoints,
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks
);
create index webhook_old_secrets_by_end on app.webhook_old_secrets (expires_at);
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.webhook_old_secrets for each row execute function app.require_live_kek();

-- What came of each attempt: a status, or the reason why there is none.
create table app.webhook_attempts (
  tenant_id  uuid   not null,
  id         uuid   not null,
  message_id uuid   not null,
  at         bigint not null,
  took_ms    int    not null,
  status     int,
  reason     text   check (length(reason) <= 64),
  primary key (tenant_id, id),
  foreign key (tenant_id, message_id) references app.webhook_outbox
);
create index webhook_attempts_by_message on app.webhook_attempts (tenant_id, message_id, id);

grant update (sealed_secret, kek, kek_version, first_failure_at, disabled_reason)
  on app.webhook_endpoints to strongroom_gateway;
grant update (attempts, next_attempt_at, delivered_at) on app.webhook_outbox
  to strongroom_gateway;
grant select (tenant_id, endpoint_id, id, expires_at), insert, update (expires_at)
  on app.webhook_old_secrets to strongroom_gateway;
grant select on app.webhook_attempts to strongroom_gateway;

grant update (first_failure_at, disabled_reason) on app.webhook_endpoints
  to strongroom_deliverer;
grant select, delete on app.webhook_old_secrets to strongroom_deliverer;
grant insert on app.webhook_attempts to strongroom_deliverer;
grant insert on app.webhook_outbox to strongroom_deliverer;
grant insert (tenant_id, event_id, leaf) on app.audit_staged to strongroom_deliverer;

grant select (tenant_id, endpoint_id, id, sealed, kek, kek_version),
  update (sealed, kek, kek_version) on app.webhook_old_secrets to strongroom_keymaster;

create policy deliverer_old_secrets on app.webhook_old_secrets to strongroom_deliverer
  using (true) with check (true);
create policy deliverer_attempts on app.webhook_attempts for insert to strongroom_deliverer
  with check (true);
create policy deliverer_staged on app.audit_staged for insert to strongroom_deliverer
  with check (true);
create policy keymaster_old_secrets on app.webhook_old_secrets to strongroom_keymaster
  using (true) with check (true);
