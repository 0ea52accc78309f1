-- The keys of access tokens: public halves, and where each is in its life. The private half is the
-- row of app.platform_keys with the same kid, for as long as the key may come to sign.
create table app.token_keys (
  tenant_id uuid   not null,
  kid       text   not null check (kid ~ '^[-_0-9A-Za-z]{43}$'),
  jwk       text   not null check (length(jwk) <= 512),
  state     text   not null check (state in ('next', 'active', 'retiring', 'gone')),
  since     bigint not null check (since >= 0),
  primary key (tenant_id, kid)
);
create unique index token_keys_one_next on app.token_keys (tenant_id) where state = 'next';
create unique index token_keys_one_active on app.token_keys (tenant_id) where state = 'active';

-- What all keys have in common. Whoever changes a key changes this row first, from the version
-- that it read: of two nodes, one does.
create table app.token_key_rings (
  tenant_id     uuid    primary key,
  version       bigint  not null default 0 check (version >= 0),
  generation    bigint  not null default 0 check (generation >= 0),
  replace_early boolean not null default false -- the operator wants the next key to sign
);
insert into app.token_key_rings (tenant_id) values ('00000000-0000-8000-8000-000000000001');

-- What is withdrawn stays withdrawn: whoever may write the row cannot take it back.
create function app.keep_token_key() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare states constant text[] := array['next', 'active', 'retiring', 'gone'];
begin
  if tg_op = 'INSERT' and new.state in ('next', 'active') then
    return new;
  end if;
  if tg_op = 'UPDATE' and (new.tenant_id, new.kid, new.jwk) = (old.tenant_id, old.kid, old.jwk)
    and array_position(states, new.state) >= array_position(states, old.state) then
    return new;
  end if;
  if tg_op = 'DELETE' and old.state = 'gone' then
    return old;
  end if;
  raise exception 'a token key moves forward only';
end $$;
revoke all on function app.keep_token_key() from public;
create trigger token_keys_move_forward before insert or update or delete on app.token_keys
  for each row execute function app.keep_token_key();
create trigger token_keys_no_truncate before truncate on app.token_keys
  for each statement execute function app.keep_token_key();

grant select, insert, update (state, since), delete on app.token_keys to strongroom_keymaster;
grant select, update (version, generation, replace_early) on app.token_key_rings
  to strongroom_keymaster;
create policy keymaster_token_keys on app.token_keys to strongroom_keymaster
  using (tenant_id = '00000000-0000-8000-8000-000000000001')
  with check (tenant_id = '00000000-0000-8000-8000-000000000001');
create policy keymaster_token_key_rings on app.token_key_rings to strongroom_keymaster
  using (tenant_id = '00000000-0000-8000-8000-000000000001')
  with check (tenant_id = '00000000-0000-8000-8000-000000000001');

-- A private half goes when its key signs no more; the platform's other keys stay.
grant delete on app.platform_keys to strongroom_keymaster;
create policy keymaster_drops_token_keys on app.platform_keys as restrictive for delete
  to strongroom_keymaster using (purpose = 'token');
