-- The vault: single values that a policy's reversible rules took out of texts, each sealed under its
-- tenant's key for its class, channel and token. Of a text nothing else is here.
create table app.pii_values (
  tenant_id uuid   not null references app.tenants,
  token     text   not null check (token ~ '^\[[A-Z0-9_]{1,48}_[0-9A-HJKMNP-TV-Z]{14}\]$'),
  class     text   not null check (length(class) between 1 and 64),
  channel   text   not null check (length(channel) between 1 and 16),
  sealed    bytea  not null check (length(sealed) between 1 and 8192),
  dek_id    bytea  not null,
  event_id  uuid   not null, -- which says that it was kept, and for whom
  kept_at   bigint not null,
  ends_at   bigint not null check (ends_at >= kept_at),
  -- A data key that something is sealed under cannot go.
  foreign key (tenant_id, dek_id) references app.tenant_deks on delete restrict,
  primary key (tenant_id, token)
);
create index pii_values_by_dek on app.pii_values (tenant_id, dek_id);
create index pii_values_by_end on app.pii_values (ends_at);

-- The key of the operator hmac: one for each tenant that has ever had a policy that needs it.
create table app.pii_linking_keys (
  tenant_id   uuid   primary key references app.tenants,
  sealed      bytea  not null check (length(sealed) between 1 and 8192),
  made_at     bigint not null,
  kek         text   not null,
  kek_version int    not null,
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks
);
create index pii_linking_keys_by_kek on app.pii_linking_keys (tenant_id, kek, kek_version);
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.pii_linking_keys for each row execute function app.require_live_kek();

-- A value may end sooner than was said when it came, and never later.
create function app.keep_ends() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.tenant_id, new.token, new.class, new.channel, new.event_id, new.kept_at)
       is distinct from (old.tenant_id, old.token, old.class, old.channel, old.event_id, old.kept_at)
    or new.ends_at > old.ends_at then
    raise exception 'a value of the vault stays what it is, and ends when it was to end or sooner';
  end if;
  return new;
end $$;
revoke all on function app.keep_ends() from public;
create trigger pii_values_end before update on app.pii_values
  for each row execute function app.keep_ends();

-- A value is never changed by who keeps and shows it: it comes, and it may end sooner.
grant select, insert, update (ends_at) on app.pii_values to strongroom_gateway;
grant select, insert on app.pii_linking_keys to strongroom_gateway;

-- The keymaster wraps and encrypts again.
grant select (tenant_id, token, class, channel, sealed, dek_id, ends_at), update (sealed, dek_id)
  on app.pii_values to strongroom_keymaster;
grant select (tenant_id, sealed, kek, kek_version), update (sealed, kek, kek_version)
  on app.pii_linking_keys to strongroom_keymaster;
create policy keymaster_pii_values on app.pii_values to strongroom_keymaster
  using (true) with check (true);
create policy keymaster_linking_keys on app.pii_linking_keys to strongroom_keymaster
  using (true) with check (true);

-- The sweeper deletes what is over.
grant select (tenant_id, token, ends_at), delete on app.pii_values to strongroom_sweeper;
grant update (ends_at) on app.pii_values to strongroom_sweeper; -- which a lock on a row asks for
create policy sweeper_sees_values on app.pii_values for select to strongroom_sweeper using (true);
create policy sweeper_locks_values on app.pii_values for update to strongroom_sweeper
  using (true) with check (true);
create policy sweeper_pii_values on app.pii_values for delete to strongroom_sweeper
  using (ends_at <= extract(epoch from clock_timestamp()));
