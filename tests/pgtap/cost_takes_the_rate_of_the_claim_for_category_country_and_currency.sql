-- A price list of shared and own rows, beginnings of numbers nested in one another, dates before and after
-- the claim, two currencies, two categories and another provider's and another organization's rows. Which
-- row holds for a message is reckoned apart, by looking at every row for every message.
begin;
select plan(14);

select core.set_clock('2026-03-02 12:00:00+00');
select core.organization() as own
\gset
select core.organization() as foreign_one
\gset

-- Each row has a rate of its own, so that the rate says which row it was.
create temporary table price_list (
    id integer generated always as identity primary key,
    organization text, provider text, category text, currency text, prefix text, valid_from text
) on commit drop;
insert into price_list (organization, provider, category, currency, prefix, valid_from)
select o.organization, 'whatsapp', c.category, u.currency, p.prefix, v.valid_from
from (
    values
    ('shared', '+'), ('shared', '+9'), ('shared', '+99'), ('shared', '+9995'), ('shared', '+99951'), ('shared', '+9995123'),
    ('own', '+9996'), ('own', '+99967'), ('foreign', '+9995'), ('foreign', '+9996'), ('foreign', '+')
) p (organization, prefix)
join (values ('shared'), ('own'), ('foreign')) o (organization) using (organization)
cross join (values ('MARKETING'), ('UTILITY')) c (category)
cross join (values ('USD'), ('BRL')) u (currency)
cross join (values ('-infinity'), ('2026-03-02 12:00:00+00'), ('2026-03-02 12:30:00+00'), ('2026-03-02 13:00:00+00')) v (valid_from)
-- The longest of all is not old: before its first day the next shorter one holds.
where not (p.prefix in ('+9995123', '+99967') and v.valid_from < '2026-03-02 12:30:00+00');
insert into price_list (organization, provider, category, currency, prefix, valid_from)
values
('shared', 'twilio', 'MARKETING', 'USD', '+9995123', '-infinity'),
('own', 'twilio', 'UTILITY', 'USD', '+99967', '-infinity');
insert into rates (organization_id, provider, category, currency, prefix, valid_from, rate, charge_on)
select
    case l.organization when 'own' then :'own'::uuid when 'foreign' then :'foreign_one'::uuid end,
    l.provider, l.category, l.currency, l.prefix, l.valid_from::timestamptz, l.id / 1000.0,
    case l.id % 2 when 0 then 'accepted' else 'delivered' end::charge_event
from price_list l;

create function pg_temp.reckoned(_recipient text, _category text, _currency text, _claimed_at timestamptz)
returns numeric
language plpgsql
volatile
set search_path = ''
as $$
declare
    _row record;
    _best pg_temp.price_list;
    _is_better boolean;
begin
    for _row in select l.* from pg_temp.price_list l loop
        continue when _row.organization = 'foreign' or _row.provider <> 'whatsapp' or _row.category <> _category
            or _row.currency <> _currency or left(_recipient, length(_row.prefix)) <> _row.prefix
            or _row.valid_from::timestamptz > _claimed_at;
        _is_better := case
            when _best.id is null then true
            when _row.organization <> _best.organization then _row.organization = 'own'
            when length(_row.prefix) <> length(_best.prefix) then length(_row.prefix) > length(_best.prefix)
            else _row.valid_from::timestamptz > _best.valid_from::timestamptz
        end;
        if _is_better then
            _best := _row;
        end if;
    end loop;
    return _best.id / 1000.0;
end;
$$;

create temporary table numbers on commit drop as
select n.recipient from unnest(array[
    '+99951234567', '+99951244567', '+99952000000', '+99940000000', '+99800000000', '+15005550006', '+99967000000', '+99966000000', '+99960000000'
]) n (recipient);

-- A campaign for each category, currency and time; each is claimed at its time.
create temporary table worlds on commit drop as
select
    t.at, c.category, u.currency,
    core.campaign(
        core.account(:'own', jsonb_build_object('currency', u.currency, 'lease', '2 hours', 'longest_claim', '6 hours')),
        core.template(:'own', jsonb_build_object('category', c.category)), 0, false
    ) as campaign_id
-- A millisecond before a change of prices, at its very instant, and later.
from unnest(array['2026-03-02 11:59:59.999+00', '2026-03-02 12:00:00+00', '2026-03-02 12:45:00+00']::timestamptz []) t (at)
cross join unnest(array['MARKETING', 'UTILITY']) c (category)
cross join unnest(array['USD', 'BRL']) u (currency);
select add_recipients(w.campaign_id, (select jsonb_agg(jsonb_build_object('recipient', n.recipient)) from numbers n)) from worlds w;
select start_campaign(w.campaign_id) from worlds w;

create temporary table claimed (entry_id bigint primary key, at timestamptz) on commit drop;
select core.set_clock(t.at), core.hand_out(w.campaign_id)
from (select distinct w.at from worlds w) t
join worlds w on w.at = t.at
order by t.at;
insert into claimed
select q.id, w.at
from worlds w
join send_queue q on q.campaign_id = w.campaign_id
where q.status = 'processing';
select is((select count(*) from claimed), 108::bigint, '9 numbers, 3 times, 2 categories, 2 currencies: 108 messages');

-- All news comes after the last change of prices. Thirds: a result, a report alone, and an unknown outcome
-- that is settled by a report the next day.
select core.set_clock('2026-03-02 13:10:00+00');
select core.result(c.entry_id, case c.entry_id % 3 when 0 then 'accepted' when 2 then 'ambiguous' end)
from claimed c
where c.entry_id % 3 <> 1;
select core.report(c.entry_id, 'delivered') from claimed c
where c.entry_id % 3 <> 2;
select core.set_clock('2026-03-03 13:10:00+00');
select expire_claims(1000);
select core.report(c.entry_id, 'read') from claimed c
where c.entry_id % 3 = 2;

create temporary view priced as
select
    q.recipient, w.category, w.currency, c.at, c.entry_id % 3 as way, m.rate, m.cost,
    pg_temp.reckoned(q.recipient, w.category, w.currency, c.at) as reckoned
from claimed c
join send_queue q on q.id = c.entry_id
join worlds w on w.campaign_id = q.campaign_id
left join messages m on m.entry_id = c.entry_id;

select is_empty(format('select * from priced where way = %s and rate is distinct from reckoned', w.way), w.what)
from (values (0, 'told by a result, then reported'), (1, 'told by a report alone'), (2, 'unknown for a day')) w (way, what);
select is_empty('select * from priced where cost is distinct from reckoned', 'each delivered message costs its rate once, whichever event charges it');
select cmp_ok((select count(distinct rate) from priced), '>', 50::bigint, 'and those are many');

-- Said in words, so that the reckoning itself is not taken on trust. Rates at 12:45, in USD, for marketing.
create function pg_temp.row_of(_recipient text, _at timestamptz default '2026-03-02 12:45:00+00')
returns text
language sql
volatile
set search_path = ''
as $$
    select string_agg(distinct concat_ws(' ', l.organization, l.prefix, case l.valid_from when '-infinity' then 'always' else substr(l.valid_from, 12, 5) end), ', ')
    from pg_temp.priced p
    join pg_temp.price_list l on l.id / 1000.0 = p.rate
    where p.category = 'MARKETING' and p.currency = 'USD' and p.at = _at and p.recipient = _recipient;
$$;
select is(pg_temp.row_of('+99951234567'), 'shared +9995123 12:30', 'the longest beginning wins');
select is(pg_temp.row_of('+99951234567', '2026-03-02 12:00:00+00'), 'shared +99951 12:00', 'before its first day the next shorter one does');
select is(pg_temp.row_of('+99951244567'), 'shared +99951 12:30', 'one digit beside it the next shorter one');
select is(pg_temp.row_of('+15005550006'), 'shared + 12:30', 'where no country fits, the row for all');
select is(pg_temp.row_of('+99967000000', '2026-03-02 11:59:59.999+00'), 'own +9996 always', 'a millisecond before a change the old rate holds');
select is(pg_temp.row_of('+99966000000', '2026-03-02 12:00:00+00'), 'own +9996 12:00', 'from its first instant on the new one');
select is(pg_temp.row_of('+99960000000'), 'own +9996 12:30', 'an own row beats the shared one');
select is_empty('select core.differences(campaign_id) from worlds', 'the numbers are the rows');

select * from finish();
rollback;
