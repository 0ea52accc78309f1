-- Refresh tokens are renewed many families at a time, each in the transaction that writes its event,
-- by the function of the next file.
grant update (version, generation, newest, parent, successor, rotated_at)
  on app.refresh_families to strongroom_auth_owner;
create policy renewals on app.refresh_families for update to strongroom_auth_owner
  using (revoked_at is null) with check (revoked_at is null);

-- Families are read many at a time: no tenant's may weigh on the others'. An access token says no
-- more of any of these.
alter table app.refresh_families
  add check (octet_length(capabilities) <= 8192),
  add check (octet_length(auth_class) <= 8192),
  add check (octet_length(auth_methods::text) <= 16384),
  add check (octet_length(actors::text) <= 1024);
