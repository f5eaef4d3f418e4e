-- Every sequence of one to three reports out of {sent, delivered, read, failed}, repetitions included, and
-- every order of all four; our own result before them, after the first of them, or never (the lease ran out); and
-- four kinds of price: on acceptance, on delivery, free, and none. What each costs is reckoned apart, from
-- the sequence alone.
begin;
select plan(10);

select core.set_clock();
select core.organization() as organization
\gset

create temporary table sequences on commit drop as
with recursive told as (
    select array[s.status] as statuses from unnest(array['sent', 'delivered', 'read', 'failed']) s (status)
    union all
    select t.statuses || s.status
    from told t
    cross join unnest(array['sent', 'delivered', 'read', 'failed']) s (status)
    where cardinality(t.statuses) < 3 or (cardinality(t.statuses) = 3 and cardinality(array(select distinct unnest(t.statuses || s.status))) = 4)
)
select t.statuses from told t;
select is((select count(*) from sequences), 108::bigint, 'all sequences of one to three reports, and all orders of four');

-- Four prices, each under a category of its own kind of template, and one organization's own category without a row.
create temporary table prices on commit drop as
select p.kind, p.category, p.currency, p.charge_on::charge_event as charge_on, p.rate::numeric as rate
from (
    values
    ('on acceptance', 'MARKETING', 'USD', 'accepted', 0.07),
    ('on delivery', 'UTILITY', 'USD', 'delivered', 0.03),
    ('free', 'AUTHENTICATION', 'USD', 'delivered', 0),
    ('no price', 'AUTHENTICATION', 'BRL', null, null)
) p (kind, category, currency, charge_on, rate);
insert into rates (organization_id, provider, category, currency, rate, charge_on)
select :'organization', 'whatsapp', p.category, p.currency, p.rate, p.charge_on
from prices p
where p.rate is not null;

create temporary table cases on commit drop as
select
    row_number() over (partition by p.kind order by r.result, s.statuses)::integer as number,
    p.kind, p.charge_on, p.rate, r.result, s.statuses
from sequences s
cross join prices p
cross join unnest(array['first', 'second', 'never']) r (result);

create temporary table worlds on commit drop as
select
    p.kind,
    core.campaign(
        core.account(:'organization', jsonb_build_object('lease', '60 seconds', 'currency', p.currency)),
        core.template(:'organization', jsonb_build_object('category', p.category)), 324
    ) as campaign_id
from prices p;

-- What an independent accountant says: acceptance is proved by any report, delivery by delivered or read.
create temporary table entries on commit drop as
select
    c.*, w.campaign_id, q.id as entry_id,
    case c.charge_on
        when 'accepted' then c.rate
        when 'delivered' then case when 'delivered' = any (c.statuses) or 'read' = any (c.statuses) then c.rate else 0 end
        else 0
    end as reckoned
from cases c
join worlds w on w.kind = c.kind
join send_queue q on q.campaign_id = w.campaign_id and q.recipient = core.person(c.number);
select is((select count(*) from entries), 1296::bigint, '108 sequences, 3 places of the result, 4 prices: 1,296 entries');

create function pg_temp.tell(_turn integer)
returns void
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports('whatsapp', jsonb_agg(
        jsonb_build_object(
            'app', 'default', 'sender', a.sender, 'provider_message_id', core.wamid(e.entry_id, 1), 'status', e.statuses[_turn],
            'timestamp', (extract(epoch from sendonce.now())::bigint)::text,
            'reference', 'so1:' || e.campaign_id || ':' || e.entry_id || ':1',
            'code', case e.statuses[_turn] when 'failed' then '131026' end
        ) order by e.number
    ))
    from pg_temp.entries e
    join public.provider_accounts a on a.id = core.account_of(e.campaign_id)
    where cardinality(e.statuses) >= _turn;
$$;

create function pg_temp.record(_result text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform public.record_results(
        k.id,
        (
            select jsonb_agg(jsonb_build_object(
                'entry_id', e.entry_id, 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', core.wamid(e.entry_id, 1)
            ))
            from pg_temp.entries e
            where e.entry_id = any (k.dispatched) and e.result = _result
        )
    )
    from public.claims k
    where exists (select from pg_temp.entries e where e.entry_id = any (k.dispatched) and e.result = _result);
end;
$$;

select core.hand_out(w.campaign_id) from worlds w;
select core.advance('10 seconds');
select pg_temp.record('first');
select pg_temp.tell(1);
select pg_temp.record('second');
select pg_temp.tell(2);
-- Here the leases end, whatever they still hold.
select core.advance('1 minute');
select expire_claims(1000);
select pg_temp.tell(n) from generate_series(3, 4) n;

create temporary view wrong as
select e.kind, e.result, e.statuses, e.reckoned, m.cost
from entries e
left join messages m on m.entry_id = e.entry_id
where m.cost is distinct from e.reckoned;

select is_empty(format('select * from wrong where kind = %L', p.kind), p.kind || ': each costs what the sequence says') from prices p;
select is(
    (select array_agg(c.actual_cost order by w.kind) from worlds w
join campaigns c on c.id = w.campaign_id),
    (select array_agg(r.cost order by r.kind) from (select e.kind, sum(e.reckoned) as cost from entries e
group by e.kind) r),
    'and the campaigns add it up'
);
select is(
    (select count(*) from messages m
join entries e on e.entry_id = m.entry_id
where e.kind = 'no price' and m.rate is null and m.charge_on is null),
    324::bigint, 'without a row of the price list no rate is on record'
);
select is_empty('select core.differences(campaign_id) from worlds', 'the numbers are the rows');

-- All of it once more, backwards and all at once: nothing is charged again.
select core.keep('cost', (select sum(c.actual_cost) from campaigns c)::text);
select pg_temp.tell(n) from unnest(array[4, 3, 2, 1]) n;
select pg_temp.record('first');
select is((select sum(c.actual_cost) from campaigns c)::text, core.kept('cost'), 'a repetition of everything charges nothing');

select * from finish();
rollback;
