-- What is told of zones once, whichever nodes noticed it; and what every zone is known to hold.

-- A loss: of a connection that was there, or found by a node that had seen none (then 0, and when).
-- Its two events are here before they are in the log, so that each is written once, and by somebody.
create table app.zone_losses (
  zone      text        not null check (zone ~ '^[a-z][a-z0-9_]{0,31}$'),
  walsender int         not null,
  since     timestamptz not null,
  lost_id   uuid        not null,
  lost_leaf bytea       not null check (length(lost_leaf) <= 1024),
  back_id   uuid,
  back_leaf bytea       check (length(back_leaf) <= 1024),
  lost_told boolean     not null default false,
  back_told boolean     not null default false,
  primary key (zone, walsender, since),
  check ((back_id is null) = (back_leaf is null))
);
-- A zone is lost once at a time.
create unique index zone_losses_open on app.zone_losses (zone) where back_id is null;
revoke all on app.zone_losses from public;
grant select, insert, update (back_id, back_leaf, lost_told, back_told) on app.zone_losses
  to strongroom_checkpointer;

-- How much of a log every zone held before its last batch: a node that starts while a zone is missing
-- knows of nothing else.
alter table app.audit_logs add column whole bigint not null default 0
  check (whole >= 0 and whole <= size);
grant update (whole) on app.audit_logs to strongroom_sequencer;
