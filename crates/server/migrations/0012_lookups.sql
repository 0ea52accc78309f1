-- Who streams from this database is for monitors to see: this role is one, and owns two functions
-- that say of it no more than the platform asks.
set local role strongroom_zones_owner;

-- On the primary: what is flushed here, on which timeline, and who streams, how far it has flushed,
-- and by which slot. One row with nobody's name when nobody streams. Positions are in bytes.
create function app.zones()
returns table (flushed bigint, timeline text, zone text, walsender integer, since timestamptz,
               slot text, is_streaming boolean, zone_flushed bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare own pg_lsn := pg_current_wal_flush_lsn();
begin
  return query
    select (own - '0/0'::pg_lsn)::bigint, left(pg_walfile_name(own), 8), r.application_name, r.pid,
           r.backend_start, s.slot_name::text,
           r.state = 'streaming' and r.sync_state in ('quorum', 'sync'),
           (r.flush_lsn - '0/0'::pg_lsn)::bigint
      from (select) as here left join pg_stat_replication r on true
      left join pg_replication_slots s on s.active_pid = r.pid;
end $$;
revoke all on function app.zones() from public;
grant execute on function app.zones() to strongroom_sequencer, strongroom_checkpointer;

-- On a standby: whom it streams from, by which slot and on which timeline, how far it has come, and
-- whether what it says it has flushed is on its disk.
create function app.zone()
returns table (is_standby boolean, is_streaming boolean, slot text, timeline integer,
               replayed bigint, is_durable boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query
    select pg_is_in_recovery(), r.status = 'streaming', r.slot_name, r.received_tli,
           (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, current_setting('fsync') = 'on'
      from (select) as here left join pg_stat_wal_receiver r on true;
end $$;
revoke all on function app.zone() from public;
grant execute on function app.zone() to strongroom_checkpointer;
