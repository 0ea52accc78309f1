-- The pepper under which an API key is hashed, where it is.
alter table app.api_keys
  add column pepper integer check (pepper > 0),
  add check ((scheme = 2) = (pepper is not null));
-- A key is hashed anew at its use, by who may store keys of the tenant anyway.
grant update (scheme, hash, pepper) on app.api_keys to strongroom_gateway;

alter table app.platform_keys
  drop constraint platform_keys_purpose_check,
  add constraint platform_keys_purpose_check
    check (purpose in ('claim', 'token', 'checkpoint', 'batch', 'pepper'));
