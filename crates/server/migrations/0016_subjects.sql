-- Who people are in the log: a random pseudonym for each, found by a tag that only the platform's key
-- makes, and what it stands for, sealed under a key of its own. An erasure empties the row and leaves
-- the pseudonym, with nothing behind it.
create table app.subjects (
  tenant_id   uuid   not null references app.tenants,
  pseudonym   uuid   not null,
  tag         bytea  check (length(tag) = 32),    -- of issuer and subject
  bound       bytea  check (length(bound) = 32),  -- says that this tag is this pseudonym's
  sealed      bytea  check (length(sealed) between 1 and 8192),
  kek         text,
  kek_version int,
  made_at     bigint not null,
  erased_at   bigint,
  check ((tag is null) = (erased_at is not null)),
  check ((bound is null) = (tag is null) and (sealed is null) = (tag is null)
    and (kek is null) = (tag is null) and (kek_version is null) = (tag is null)),
  check (kek = 'subject/' || pseudonym::text),
  foreign key (tenant_id, kek, kek_version) references app.tenant_keks,
  primary key (tenant_id, pseudonym),
  unique (tenant_id, tag)
);
create index subjects_by_kek on app.subjects (tenant_id, kek, kek_version);

-- A pseudonym is one person's until it is nobody's: it is given to nobody else, and no row comes back
-- or goes. What is sealed may be wrapped again.
create function app.keep_subjects() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' and new.erased_at is null then
    return new;
  end if;
  if tg_op = 'UPDATE' and old.erased_at is null
    and (new.tenant_id, new.pseudonym, new.made_at) = (old.tenant_id, old.pseudonym, old.made_at)
    and (new.erased_at is not null
      or (new.tag, new.bound, new.kek) = (old.tag, old.bound, old.kek))
  then
    return new;
  end if;
  raise exception 'a pseudonym is one person''s until it is erased, and stays';
end $$;
revoke all on function app.keep_subjects() from public;
create trigger subjects_stay before insert or update or delete on app.subjects
  for each row execute function app.keep_subjects();
create trigger subjects_no_truncate before truncate on app.subjects
  for each statement execute function app.keep_subjects();
create trigger under_a_live_kek before insert or update of kek, kek_version
  on app.subjects for each row execute function app.require_live_kek();

grant select, insert on app.subjects to strongroom_gateway;
-- The keymaster wraps again, and erases with the key.
grant select (tenant_id, pseudonym, sealed, kek, kek_version, erased_at),
  update (tag, bound, sealed, kek, kek_version, erased_at)
  on app.subjects to strongroom_keymaster;
create policy keymaster_subjects on app.subjects to strongroom_keymaster
  using (true) with check (true);

-- What a platform key may be for is decided where keys are made: steps that run in any order can all
-- add to that.
alter table app.platform_keys
  drop constraint platform_keys_purpose_check,
  add constraint platform_keys_purpose_check check (purpose ~ '^[a-z][a-z_-]{0,31}$');
