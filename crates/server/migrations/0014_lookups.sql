-- A text of a leaf, at an offset from 0, and what comes after it (audit-leaf, section 2).
create function app.leaf_text(leaf bytea, at int, out value text, out after int)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare size int := get_byte(leaf, at) - 96;
begin
  after := at + 1;
  if size = 24 then
    size := get_byte(leaf, at + 1);
    after := at + 2;
  end if;
  value := convert_from(substring(leaf from after + 1 for size), 'UTF8');
  after := after + size;
end $$;
revoke all on function app.leaf_text(bytea, int) from public;

-- What decides how long a leaf's payload is kept. Of what is no leaf, nothing: that is never due.
create function app.leaf_head(
  leaf bytea, out time_us numeric, out kind text, out resource text, out outcome int)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  at   int := 23;
  size int;
  step int;
begin
  -- A map, version 1, an event id of 16 bytes, the time.
  if length(leaf) < 50 or substring(leaf from 2 for 4) <> '\x00010150'::bytea
    or get_byte(leaf, 21) <> 2 then
    return;
  end if;
  size := get_byte(leaf, 22);
  if size < 24 then
    time_us := size;
  else
    time_us := 0;
    for step in 1 .. 1 << (size - 24) loop
      time_us := time_us * 256 + get_byte(leaf, at);
      at := at + 1;
    end loop;
  end if;
  select t.value, t.after into kind, at from app.leaf_text(leaf, at + 1) t;
  if get_byte(leaf, at) = 4 then
    at := at + 2 + 19 * (get_byte(leaf, at + 1) - 128);
  end if;
  if get_byte(leaf, at) = 5 then
    select t.value, t.after into resource, at from app.leaf_text(leaf, at + 1) t;
  end if;
  at := at + 18;
  if get_byte(leaf, at) = 7 then
    at := at + 35;
  end if;
  select t.after into at from app.leaf_text(leaf, at + 1) t;
  outcome := get_byte(leaf, at + 2);
end $$;
revoke all on function app.leaf_head(bytea) from public;

-- Erases those of the named entries' payloads that are due by this clock, or by an organisation's
-- erasure, if an entry of the log says that it was done: whoever may call it can erase nothing early
-- and nothing in silence. Answers how many went. What is due and how long it is kept stands in
-- audit-log, sections 4 and 5; an agent counts as marked wherever its id stands in the leaf.
create function app.erase_payloads(tenant uuid, erasure uuid, named bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  now_s numeric := floor(extract(epoch from clock_timestamp()));
  said  record;
  span  text[];
  days  int;
  risky uuid[];
  cut   bigint;
  went  bigint;
begin
  select l.idx, h.kind, h.resource, h.outcome into said
    from app.audit_leaves l cross join lateral app.leaf_head(l.leaf) h
   where l.tenant_id = tenant and l.event_id = erasure;
  span := regexp_match(said.resource,
    '^entries/(0|[1-9][0-9]{0,17})-([1-9][0-9]{0,17})/(agent|compliance)$');
  if span is null or said.kind <> 'payload.erased' or said.outcome <> 0
    or span[2]::bigint > said.idx then
    raise exception 'no entry of the log says that these payloads were erased';
  end if;
  select r.agent_days, r.high_risk into days, risky from app.retention r where r.tenant_id = tenant;
  select max(e.below) into cut from app.erasures e where e.tenant_id = tenant;
  with due as (
    select l.event_id
      from app.audit_leaves l cross join lateral app.leaf_head(l.leaf) h
     where l.tenant_id = tenant and l.idx = any (named)
       and l.idx >= span[1]::bigint and l.idx < span[2]::bigint
       and span[3] = case when h.kind like 'chat.%' then 'agent' else 'compliance' end
       and ((span[3] = 'agent' and l.idx < cut)
         or now_s >= ceil(h.time_us / 1000000) + 86400 * case
           when span[3] = 'compliance' then 2557
           when exists (select from unnest(risky) as marked (id)
             where position(uuid_send(marked.id) in l.leaf) > 0) then greatest(days, 184)
           else coalesce(days, 90) end)
  ), erased as (
    delete from app.audit_payloads p using due
     where p.tenant_id = tenant and p.event_id = due.event_id returning 1
  )
  select count(*) into went from erased;
  return went;
end $$;
revoke all on function app.erase_payloads(uuid, uuid, bigint[]) from public;
grant execute on function app.erase_payloads(uuid, uuid, bigint[]) to strongroom_eraser;
