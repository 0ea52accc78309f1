-- An id is one key's, whoever's it is.
create trigger api_key_ids_apart before insert on app.api_keys
  for each row execute function app.keep_key_ids_apart();

-- What ended a key stays: whoever may write the row cannot take it back.
create function app.keep_key_ends() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
    or (old.successor is not null and new.successor is distinct from old.successor)
    or (old.retires_at is not null and (new.retires_at is null or new.retires_at > old.retires_at))
  then
    raise exception 'the end of an api key is not taken back';
  end if;
  return new;
end $$;
revoke all on function app.keep_key_ends() from public;
create trigger api_key_ends_stay before update on app.api_keys
  for each row execute function app.keep_key_ends();
