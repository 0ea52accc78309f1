-- The verifier of docs/spec/rls-claim.md. The order matters where the installing role is no
-- superuser: it joins the owner role, hands the objects over, and leaves it again.
do $$ begin
  if not exists (select from pg_catalog.pg_roles where rolname = '@owner@') then
    create role @owner@ nologin noinherit;
  end if;
end $$;
grant @owner@ to current_user;

create schema if not exists @public@;
create schema if not exists @private@ authorization @owner@;
revoke all on schema @private@ from public;
grant usage, create on schema @public@, @private@ to @owner@;

set local role @owner@;

create table if not exists @private@.claim_key (
  kid  pg_catalog.text  primary key check (kid ~ '^[a-z0-9]{1,16}$'),
  ipad pg_catalog.bytea not null check (pg_catalog.length(ipad) = 64),
  opad pg_catalog.bytea not null check (pg_catalog.length(opad) = 64)
);
revoke all on @private@.claim_key from public;

-- One row: whether a claim may leave its backend open (pid 0), for a transaction-mode pooler.
create table if not exists @private@.claim_setting (
  only_row      pg_catalog.bool primary key default true check (only_row),
  allow_unbound pg_catalog.bool not null
);
revoke all on @private@.claim_setting from public;
insert into @private@.claim_setting (allow_unbound) values (false) on conflict do nothing;

create or replace function @public@.tenant_id() returns pg_catalog.uuid
language plpgsql stable security definer parallel restricted
set search_path = pg_catalog, pg_temp as $$
declare
  claim text := current_setting('strongroom.claim', true);
  inner_pad bytea;
  outer_pad bytea;
  body text;
  pid bigint;
  expiry bigint;
begin
  if claim is null or octet_length(claim) not between 150 and 300 then return null; end if;
  select k.ipad, k.opad into inner_pad, outer_pad
    from @private@.claim_key k where k.kid = split_part(claim, '.', 2);
  if inner_pad is null then return null; end if;
  body := left(claim, -65);
  -- Digests of both sides are compared, so that the time tells nothing of a matching prefix.
  if sha256(convert_to(
       encode(sha256(outer_pad || sha256(inner_pad || convert_to(body, 'UTF8'))), 'hex'), 'UTF8'))
     <> sha256(convert_to(right(claim, 64), 'UTF8'))
  then return null; end if;
  -- Only the minter's own text can be here: the casts below cannot fail.
  if split_part(claim, '.', 1) <> 'v1' then return null; end if;
  pid := split_part(claim, '.', 5)::bigint;
  expiry := split_part(claim, '.', 6)::bigint;
  if pid = 0 then
    if not (select s.allow_unbound from @private@.claim_setting s) then return null; end if;
  elsif pid <> pg_backend_pid() then
    return null;
  end if;
  if expiry < extract(epoch from clock_timestamp())
     or expiry > extract(epoch from clock_timestamp()) + 65 then return null; end if;
  return split_part(claim, '.', 3)::pg_catalog.uuid;
end $$;
revoke all on function @public@.tenant_id() from public;

-- The installing role may add keys without being a member of the owner role.
create or replace function @private@.add_claim_key(
  new_kid pg_catalog.text, new_ipad pg_catalog.bytea, new_opad pg_catalog.bytea
) returns void
language sql security definer
set search_path = pg_catalog, pg_temp as $$
  insert into @private@.claim_key (kid, ipad, opad) values (new_kid, new_ipad, new_opad)
  on conflict (kid) do update set ipad = excluded.ipad, opad = excluded.opad;
$$;
revoke all on function @private@.add_claim_key(pg_catalog.text, pg_catalog.bytea, pg_catalog.bytea)
  from public;
do $$ begin
  execute format(
    'grant execute on function @private@.add_claim_key(text, bytea, bytea) to %I', session_user);
  execute format('grant usage on schema @private@ to %I', session_user);
end $$;

reset role;
revoke create on schema @public@ from @owner@;
revoke @owner@ from current_user;
