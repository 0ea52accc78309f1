-- An id is one key's, whoever's it is.
create trigger api_key_ids_apart before insert on app.api_keys
  for each row execute function app.keep_key_ids_apart();
