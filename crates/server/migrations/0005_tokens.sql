-- Access tokens: what was revoked before its time, and the families that renew them.

-- Tokens that were minted in an earlier epoch of their tenant are over; without a row it is 0.
create table app.token_epochs (
  tenant_id uuid   primary key references app.tenants,
  epoch     bigint not null
);

-- Whoever may write the row cannot choose what it says: an epoch only grows, by one.
create function app.count_token_epoch() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.epoch := case when tg_op = 'INSERT' then 1 else old.epoch + 1 end;
  return new;
end $$;
revoke all on function app.count_token_epoch() from public;
create trigger token_epochs_grow before insert or update on app.token_epochs
  for each row execute function app.count_token_epoch();

create table app.token_revocations (
  tenant_id  uuid   not null references app.tenants,
  kind       text   not null check (kind in ('token', 'session', 'actor')),
  subject    text   not null check (length(subject) <= 64), -- a jti, a sid, an actor
  revoked_at bigint not null,
  primary key (tenant_id, kind, subject)
);
create index token_revocations_by_time on app.token_revocations (revoked_at);

-- By this clock, which all nodes share, and never earlier than it was.
create function app.date_revocation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.revoked_at := extract(epoch from clock_timestamp())::bigint;
  if tg_op = 'UPDATE' then
    new.revoked_at := greatest(new.revoked_at, old.revoked_at);
  end if;
  return new;
end $$;
revoke all on function app.date_revocation() from public;
create trigger revocations_are_dated before insert or update on app.token_revocations
  for each row execute function app.date_revocation();

create table app.refresh_families (
  tenant_id      uuid   not null references app.tenants,
  id             text   not null check (id ~ '^[0-9A-Za-z]{12}$'),
  version        bigint not null,
  actors         text[] not null check (cardinality(actors) between 1 and 9), -- who acts first
  capabilities   text   not null,
  session_id     uuid   not null,
  client_id      text   not null check (length(client_id) between 1 and 256
                 and client_id !~ '^[0-9A-Za-z]{12}$'), -- which is how an API key is named
  auth_time      bigint not null,
  auth_class     text,
  auth_methods   text[] not null,
  epoch          bigint not null,
  lineage        bytea  not null check (length(lineage) = 32),
  generation     bigint not null,
  newest         bytea  not null check (length(newest) = 32),
  parent         bytea  check (length(parent) = 32),
  successor      bytea  check (length(successor) = 60),
  begun_at       bigint not null,
  rotated_at     bigint not null,
  revoked_at     bigint,
  revoked_reason text   check (revoked_reason in ('reuse', 'request')),
  check ((revoked_at is null) = (revoked_reason is null)),
  primary key (tenant_id, id)
);
create index refresh_families_by_id on app.refresh_families (id);
create index refresh_families_by_session on app.refresh_families (tenant_id, session_id);
create index refresh_families_by_age on app.refresh_families (tenant_id, begun_at, id);
create index refresh_families_sealed on app.refresh_families (rotated_at)
  where successor is not null;
create index refresh_families_begun on app.refresh_families (begun_at);
create index refresh_families_rotated on app.refresh_families (rotated_at);

-- Whoever may write the row cannot begin a family that was, nor bring one back.
create function app.keep_families() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare soon constant bigint := extract(epoch from clock_timestamp())::bigint + 60;
begin
  if tg_op = 'INSERT' then
    new.epoch := coalesce(
      (select e.epoch from app.token_epochs e where e.tenant_id = new.tenant_id), 0);
    if (new.version, new.generation) = (0, 0) and new.parent is null and new.successor is null
      and new.revoked_at is null and new.begun_at = new.rotated_at
      and new.begun_at between soon - 120 and soon
    then
      return new;
    end if;
  elsif new.version = old.version + 1 and new.rotated_at <= soon
    and (old.revoked_at is null or new.revoked_at is not distinct from old.revoked_at)
    and ((new.generation, new.newest) = (old.generation, old.newest)
         and new.parent is not distinct from old.parent and new.rotated_at = old.rotated_at
      or (new.generation, new.parent) = (old.generation + 1, old.newest)
         and old.revoked_at is null)
  then
    return new;
  end if;
  raise exception 'a family of refresh tokens begins anew and moves forward only';
end $$;
revoke all on function app.keep_families() from public;
create trigger families_move_forward before insert or update on app.refresh_families
  for each row execute function app.keep_families();

-- Every family's id, whosever it is; no login role may read it.
create table app.refresh_family_ids (id text primary key);
grant insert, delete on app.refresh_family_ids to strongroom_auth_owner;
grant select (id) on app.refresh_family_ids to strongroom_auth_owner;

grant select, insert (tenant_id), update (epoch) on app.token_epochs to strongroom_gateway;
grant select, insert (tenant_id, kind, subject), update (revoked_at) on app.token_revocations
  to strongroom_gateway;
-- Not the hashes and the lineage.
grant select (tenant_id, id, version, actors, capabilities, session_id, client_id, auth_time,
    epoch, generation, begun_at, rotated_at, revoked_at, revoked_reason),
  insert,
  update (version, generation, newest, parent, successor, rotated_at, revoked_at, revoked_reason)
  on app.refresh_families to strongroom_gateway;

grant select on app.token_epochs, app.token_revocations, app.refresh_families
  to strongroom_auth_owner;

-- A lock on a row needs the right to change some column of it.
grant select (tenant_id, kind, subject, revoked_at), update (revoked_at), delete
  on app.token_revocations to strongroom_sweeper;
grant select (tenant_id, id, version, successor, begun_at, rotated_at),
  update (version, successor), delete on app.refresh_families to strongroom_sweeper;

create policy authenticator_epochs on app.token_epochs for select to strongroom_auth_owner
  using (true);
create policy authenticator_revocations on app.token_revocations for select
  to strongroom_auth_owner using (true);
create policy authenticator_families on app.refresh_families for select
  to strongroom_auth_owner using (true);
create policy sweeper_revocations on app.token_revocations to strongroom_sweeper
  using (true) with check (true);
create policy sweeper_families on app.refresh_families to strongroom_sweeper
  using (true) with check (true);
