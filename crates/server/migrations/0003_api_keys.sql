-- API keys: networks, successors, when they were last used.
alter table app.api_keys
  add column networks text check (length(networks) between 1 and 4096), -- none: from anywhere
  add column successor text check (successor ~ '^[0-9A-Za-z]{12}$'),
  add column retires_at bigint,
  add column last_used_at bigint,
  add check ((successor is null) = (retires_at is null));

-- Every key's id, whoever's it is; no login role may read it.
create table app.api_key_ids (id text primary key);
grant insert on app.api_key_ids to strongroom_auth_owner;

grant update (successor, retires_at) on app.api_keys to strongroom_gateway;
grant update (last_used_at) on app.api_keys to strongroom_auth_owner;
create policy authenticator_uses on app.api_keys for update to strongroom_auth_owner
  using (true) with check (true);
