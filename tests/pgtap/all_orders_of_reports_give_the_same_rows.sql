-- Every permutation of {sent, delivered, read, failed}, our own result at each of the five places in
-- it, and that result accepted, ambiguous, rejected or missing (the lease ran out); as four POSTs, as
-- one, and each report twice. However it comes, the rows, the counters and the cost are the same.
begin;
select plan(11);

select core.set_clock('2026-03-02 12:00:00+00');

create temporary table cases on commit drop as
select row_number() over (partition by o.outcome order by w.way, p.place, a.status, b.status, c.status)::integer as number,
    w.way, o.outcome, p.place, array[a.status, b.status, c.status, d.status] as statuses
from unnest(array['sent', 'delivered', 'read', 'failed']) a (status)
join unnest(array['sent', 'delivered', 'read', 'failed']) b (status) on b.status <> a.status
join unnest(array['sent', 'delivered', 'read', 'failed']) c (status) on c.status not in (a.status, b.status)
join unnest(array['sent', 'delivered', 'read', 'failed']) d (status) on d.status not in (a.status, b.status, c.status)
cross join generate_series(0, 4) p (place)
cross join unnest(array['accepted', 'ambiguous', 'rejected', 'expired']) o (outcome)
cross join unnest(array['alone', 'together', 'twice']) w (way);

-- One campaign per outcome.
select core.organization() as organization
\gset
select core.price(:'organization', 0.05);
select core.template(:'organization') as template
\gset
create temporary table worlds on commit drop as
select o.outcome, core.campaign(core.account(:'organization', '{"lease": "60 seconds"}'), :'template', 360) as campaign_id
from unnest(array['accepted', 'ambiguous', 'rejected', 'expired']) o (outcome);

create temporary table entries on commit drop as
select c.number, c.outcome, c.place, c.statuses, c.way, w.campaign_id, core.entry(w.campaign_id, c.number) as entry_id
from cases c
join worlds w on w.outcome = c.outcome;

select is((select count(*) from entries
where entry_id is not null), 1440::bigint, '24 orders, 5 places, 4 outcomes, 3 ways: 1,440 entries');

-- One report of each of these entries, as the provider would write them, in one POST.
create function pg_temp.post(_outcome text, _way text, _before boolean, _turn integer)
returns void
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports('whatsapp', jsonb_agg(
        jsonb_build_object(
            'app', 'default', 'sender', a.sender, 'provider_message_id', core.wamid(e.entry_id, 1), 'status', s.status,
            'timestamp', (extract(epoch from timestamptz '2026-03-02 12:00:00+00')::bigint
                + case s.status when 'sent' then 1 when 'delivered' then 2 when 'read' then 3 else 4 end)::text,
            'reference', 'so1:' || e.campaign_id || ':' || e.entry_id || ':1', 'code', case s.status when 'failed' then '131026' end
        ) order by e.number, s.turn
    ))
    from pg_temp.entries e
    join public.provider_accounts a on a.id = core.account_of(e.campaign_id)
    cross join lateral unnest(e.statuses) with ordinality s (status, turn)
    where e.outcome = _outcome
        and e.way = _way
        and (_before is null or (s.turn <= e.place) = _before)
        -- All of them when no turn is named.
        and (_turn is null or s.turn = _turn)
    having count(*) > 0;
$$;

create function pg_temp.play(_outcome text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim record;
begin
    for _turn in 1..4 loop
        perform pg_temp.post(_outcome, w.way, true, _turn) from unnest(array['alone', 'twice']) w (way);
    end loop;
    perform pg_temp.post(_outcome, 'together', true, null);

    -- Our own result, or the end of the lease where there is none.
    if _outcome = 'expired' then
        perform core.advance('1 minute');
        perform public.expire_claims(1000);
    else
        for _claim in
            select k.id, array_agg(e.entry_id) as entry_ids
            from public.claims k
            join pg_temp.entries e on e.entry_id = any (k.dispatched)
            where e.outcome = _outcome
            group by k.id
        loop
            perform public.record_results(_claim.id, jsonb_agg(
                jsonb_build_object(
                    'entry_id', e.id, 'attempt', 1, 'outcome', _outcome, 'code', case _outcome when 'rejected' then '135000' end,
                    'provider_message_id', case _outcome when 'accepted' then core.wamid(e.id, 1) end
                )
            ))
            from unnest(_claim.entry_ids) e (id);
        end loop;
    end if;

    for _turn in 1..4 loop
        perform pg_temp.post(_outcome, w.way, false, _turn) from unnest(array['alone', 'twice']) w (way);
    end loop;
    perform pg_temp.post(_outcome, 'together', false, null);
    perform pg_temp.post(_outcome, 'twice', null, t.turn) from unnest(array[4, 3, 2, 1, null]) t (turn);
end;
$$;

-- The reports tell of the first seconds after noon; all is handed out and over by then.
select core.hand_out(w.campaign_id) from worlds w;
select core.hand_out(w.campaign_id) from worlds w;
select core.advance('30 seconds');
select pg_temp.play(o.outcome) from unnest(array['accepted', 'ambiguous', 'rejected', 'expired']) o (outcome);

-- All but what names the entry, and the moment at which it happened to be settled here.
create temporary view rows_of_entries as
select
    e.outcome, e.place, e.way, e.statuses, e.entry_id,
    to_jsonb(q) - array['id', 'recipient', 'account_id', 'campaign_id', 'provider_message_id', 'settled_at'] as entry,
    to_jsonb(m) - array['entry_id', 'account_id', 'campaign_id', 'provider_message_id', 'recorded_at'] as attempt,
    q.provider_message_id = core.wamid(q.id, 1) and m.provider_message_id = core.wamid(q.id, 1) as has_its_wamid
from entries e
join send_queue q on q.id = e.entry_id
left join messages m on m.entry_id = e.entry_id;

select is((select count(*) from rows_of_entries), 1440::bigint, 'every entry has one attempt');
select is((select count(distinct entry) from rows_of_entries), 1::bigint, 'all entries end in the same row');
select is((select count(distinct attempt) from rows_of_entries), 1::bigint, 'all attempts end in the same row');
select is_empty('select from rows_of_entries where not has_its_wamid', 'each with its own message id');
select is(
    (select distinct (entry ->> 'status') || ' ' || (entry ->> 'delivery_status') || ' ' || (entry ->> 'tries') from rows_of_entries),
    'sent read 0', 'sent and read, although a report of failure was among them'
);
select is(
    (select distinct attempt ->> 'cost' from rows_of_entries)::numeric, 0.05, 'each charged once'
);
select is_empty('select core.differences(campaign_id) from worlds', 'the numbers are the rows');
select is_empty(
    'select from campaigns c where c.actual_cost <> 0.05 * c.total_read or c.total_read <> 360 or c.total_undelivered <> 0 or c.total_delivered <> 360',
    'the campaigns have the same counters and cost'
);
select is_empty('select from discrepancies', 'nothing is listed as odd');
select is(
    (select count(*) from sendonce.report_log
where disposition <> 'applied'), 0::bigint, 'and every report was applied'
);

select * from finish();
rollback;
