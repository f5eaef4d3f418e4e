-- Two attempts for one contact, the second by a person's decision while nobody knew of the first; the price
-- changed between them. What is charged follows from what each attempt really came to, told in either order.
begin;
select plan(8);

select core.set_clock();
create temporary table truths on commit drop as
select
    row_number() over (partition by e.charge_on order by o.order_told, f.first, s.second)::integer as number,
    e.charge_on, o.order_told, f.first, s.second
from unnest(array['accepted', 'delivered']) e (charge_on)
cross join unnest(array['first attempt first', 'second attempt first']) o (order_told)
cross join unnest(array['nothing', 'rejected', 'not_sent', 'accepted', 'failed', 'delivered']) f (first)
cross join unnest(array['nothing', 'rejected', 'not_sent', 'accepted', 'failed', 'delivered']) s (second);
select is((select count(*) from truths), 144::bigint, '6 truths of each attempt, 2 orders, 2 prices');

-- An entry each, in a campaign for each price: 0.02 on the first day, 0.05 from the second on.
select core.organization() as organization
\gset
insert into rates (organization_id, provider, category, rate, charge_on, valid_from)
select :'organization', 'whatsapp', c.category, r.rate, c.charge_on::charge_event, r.valid_from::timestamptz
from (values ('MARKETING', 'accepted'), ('UTILITY', 'delivered')) c (category, charge_on)
cross join (values (0.02, '-infinity'), (0.05, '2026-03-02 13:00:00+00')) r (rate, valid_from);
create temporary table worlds on commit drop as
select
    c.charge_on,
    core.campaign(core.account(:'organization'), core.template(:'organization', jsonb_build_object('category', c.category)), 72) as campaign_id
from (values ('MARKETING', 'accepted'), ('UTILITY', 'delivered')) c (category, charge_on);
create temporary table entries on commit drop as
select
    t.*, w.campaign_id, core.entry(w.campaign_id, t.number) as entry_id,
    case
        when t.first = 'delivered' or (t.charge_on = 'accepted' and t.first in ('accepted', 'failed')) then 0.02 else 0
    end as first_costs,
    case
        when t.second = 'delivered' or (t.charge_on = 'accepted' and t.second in ('accepted', 'failed')) then 0.05 else 0
    end as second_costs
from truths t
join worlds w on w.charge_on = t.charge_on;

select core.hand_out(w.campaign_id) from worlds w;
-- The worker died with them.
select core.advance('2 minutes');
select expire_claims(1000);
select resolve_unknown(e.entry_id, 'retry') from entries e;
select core.advance('2 hours');
select core.hand_out(w.campaign_id) from worlds w;
select is(
    (select array_agg(distinct q.attempt || ' ' || q.status) from entries e
join send_queue q on q.id = e.entry_id), array['2 processing'],
    'all are out for the second time'
);

create function pg_temp.tell(_entry_id bigint, _attempt integer, _truth text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    if _truth in ('accepted', 'rejected', 'not_sent') then
        perform core.result(
            _entry_id, _truth, case _truth when 'rejected' then '{"code": "135000"}' else '{}' end::jsonb, (
                -- That of the first attempt is gone.
                select coalesce(max(k.id) filter (where _attempt = 2), 987654321) from public.claims k where _entry_id = any (k.dispatched)
            ), _attempt
        );
    elsif _truth <> 'nothing' then
        perform core.report(_entry_id, _truth, '{}', _attempt);
    end if;
end;
$$;
select pg_temp.tell(e.entry_id, 1, e.first), pg_temp.tell(e.entry_id, 2, e.second) from entries e
where e.order_told = 'first attempt first';
select pg_temp.tell(e.entry_id, 2, e.second), pg_temp.tell(e.entry_id, 1, e.first) from entries e
where e.order_told = 'second attempt first';
select core.advance('1 hour');
select expire_claims(1000);

create temporary view charged as
select
    e.*, one.cost as first_cost, two.cost as second_cost
from entries e
left join messages one on one.entry_id = e.entry_id and one.attempt = 1
left join messages two on two.entry_id = e.entry_id and two.attempt = 2;
select is_empty('select * from charged where first_cost is distinct from first_costs', 'the first attempt costs what it came to, at the rate of its claim');
select is_empty('select * from charged where second_cost is distinct from second_costs', 'so does the second, at its own');
select is(
    (select sum(c.actual_cost) from campaigns c), (select sum(e.first_costs + e.second_costs) from entries e), 'the campaigns are charged for both'
);
select is(
    (select count(*) from discrepancies d
where d.kind = 'second_acceptance'),
    (select count(*) from entries e
where e.first in ('accepted', 'failed', 'delivered') and e.second in ('accepted', 'failed', 'delivered')),
    'who really has two is listed, and nobody else'
);
select is_empty('select core.differences(campaign_id) from worlds', 'the numbers are the rows');

-- All of it again, in the other order.
select core.keep('cost', (select sum(c.actual_cost) from campaigns c)::text);
select pg_temp.tell(e.entry_id, 2, e.second), pg_temp.tell(e.entry_id, 1, e.first) from entries e;
select is((select sum(c.actual_cost) from campaigns c)::text, core.kept('cost'), 'told again, nothing is charged again');

select * from finish();
rollback;
