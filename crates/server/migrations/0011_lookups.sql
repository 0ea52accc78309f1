-- Families by their ids, as `find_refresh_family` did one. Each is its own probe of the index, and
-- the plan is kept: a function in SQL would be planned anew each time.
drop function app.find_refresh_family(text);
create function app.find_refresh_families(families text[])
returns table (id text, tenant_id uuid, version bigint, actors text[], capabilities text,
               session_id uuid, client_id text, auth_time bigint, auth_class text,
               auth_methods text[], lineage bytea, generation bigint, newest bytea, parent bytea,
               successor bytea, begun_at bigint, rotated_at bigint, revoked_at bigint,
               revoked_reason text, epoch bigint, now bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare family text;
begin
  foreach family in array families loop
    return query
      select f.id, f.tenant_id, f.version, f.actors, f.capabilities, f.session_id, f.client_id,
             f.auth_time, f.auth_class, f.auth_methods, f.lineage, f.generation, f.newest, f.parent,
             f.successor, f.begun_at, f.rotated_at,
             case when f.epoch < e.epoch then coalesce(f.revoked_at, 0) else f.revoked_at end,
             case when f.epoch < e.epoch then coalesce(f.revoked_reason, 'request')
                  else f.revoked_reason end,
             f.epoch, extract(epoch from clock_timestamp())::bigint
        from app.refresh_families f left join app.token_epochs e on e.tenant_id = f.tenant_id
       where f.id = family;
  end loop;
end $$;
revoke all on function app.find_refresh_families(text[]) from public;
grant execute on function app.find_refresh_families(text[]) to strongroom_auth;

-- Gives each family its next token, where its row is as it was when that was decided; answers the
-- events of those. Whoever may call it can end a session, or make one of its used tokens good again;
-- and can make no token, nor read one. It refuses nothing and waits for no row, since other tenants' events are
-- written in its transaction: a row that somebody holds is passed over, and the time is this
-- clock's. By index, whatever the planner believes of the table's size.
create function app.renew_families(
  tenants uuid[], families text[], versions bigint[], newest bytea[], successors bytea[],
  events uuid[])
returns setof uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  return query
    with held as (
      select a.*
        from unnest(tenants, families, versions, newest, successors, events)
          as a (tenant, family, version, newest, successor, event)
        join app.refresh_families f
          on f.tenant_id = a.tenant and f.id = a.family and f.version = a.version
       where f.revoked_at is null and a.newest <> f.newest and a.newest is distinct from f.parent
         for no key update of f skip locked
    )
    update app.refresh_families f
       set version = f.version + 1, generation = f.generation + 1, parent = f.newest,
           newest = h.newest, successor = h.successor,
           rotated_at = extract(epoch from clock_timestamp())::bigint
      from held h where f.tenant_id = h.tenant and f.id = h.family
    returning h.event;
end $$;
revoke all on function
  app.renew_families(uuid[], text[], bigint[], bytea[], bytea[], uuid[]) from public;
grant execute on function
  app.renew_families(uuid[], text[], bigint[], bytea[], bytea[], uuid[]) to strongroom_sequencer;
