-- An id is one family's, whosever it is.
create trigger family_ids_apart before insert or delete on app.refresh_families
  for each row execute function app.keep_family_ids_apart();
