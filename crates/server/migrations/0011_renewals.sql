-- Refresh tokens are renewed many families at a time, each in the transaction that writes its event,
-- by the function of the next file: whoever may call it renews, and sees nothing.
grant update (version, generation, newest, parent, successor, rotated_at)
  on app.refresh_families to strongroom_auth_owner;
create policy renewals on app.refresh_families for update to strongroom_auth_owner
  using (revoked_at is null) with check (revoked_at is null);
