-- A price list of shared and own rows, beginnings of numbers nested in one another, dates before and after
-- the claim, two currencies, two categories and another provider's and another organization's rows. Which
-- row holds for a message is reckoned apart, by looking at every row for every message.
begin;
select plan(16);

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
    ('own', '+9996'), ('own', '+99967'), ('own', '+9997'), ('shared', '+9996'), ('shared', '+99971'), ('foreign', '+9995'), ('foreign', '+9996'), ('foreign', '+')
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
    '+99951234567', '+99951244567', '+99952000000', '+99940000000', '+99800000000', '+15005550006', '+99967000000', '+99966000000', '+99960000000', '+99971000000'
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
select is((select count(*) from claimed), 120::bigint, '10 numbers, 3 times, 2 categories, 2 currencies: 120 messages');

-- All news comes after the last change of prices, and many at a time, so that each has to find its own price.
-- A quarter is told by results and then reported, one by reports alone; a quarter is unknown for a day by its
-- results, and one by the end of its lease, until reports settle it.
create temporary table ways on commit drop as
select c.entry_id, (row_number() over (order by q.recipient, c.entry_id)) % 4 as way, q.claim_id, q.campaign_id
from claimed c
join send_queue q on q.id = c.entry_id;
create function pg_temp.report_all(_status text, _ways integer [])
returns void
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports('whatsapp', jsonb_agg(jsonb_build_object(
        'app', 'default', 'sender', core.account_column(w.campaign_id, 'sender'), 'provider_message_id', core.wamid(w.entry_id, 1),
        'status', _status, 'timestamp', floor(extract(epoch from sendonce.now()))::bigint::text,
        'reference', format('so1:%s:%s:1', w.campaign_id, w.entry_id)
    ) order by md5(w.entry_id::text)))
    from pg_temp.ways w
    where w.way = any (_ways);
$$;
select core.set_clock('2026-03-02 13:10:00+00');
select record_results(w.claim_id, jsonb_agg(jsonb_build_object(
    'entry_id', w.entry_id, 'attempt', 1, 'outcome', case w.way when 0 then 'accepted' else 'ambiguous' end,
    'provider_message_id', case w.way when 0 then core.wamid(w.entry_id, 1) end
) order by md5(w.entry_id::text)))
from ways w
where w.way in (0, 2)
group by w.claim_id;
select pg_temp.report_all('delivered', array[0, 1]);
select core.set_clock('2026-03-02 15:00:00+00');
select expire_claims(1000);
select core.set_clock('2026-03-03 15:00:00+00');
select pg_temp.report_all('read', array[2, 3]);

create temporary view priced as
select
    q.recipient, w.category, w.currency, c.at, y.way, m.rate, m.cost,
    pg_temp.reckoned(q.recipient, w.category, w.currency, c.at) as reckoned
from claimed c
join ways y on y.entry_id = c.entry_id
join send_queue q on q.id = c.entry_id
join worlds w on w.campaign_id = q.campaign_id
left join messages m on m.entry_id = c.entry_id;

select is_empty(format('select * from priced where way = %s and rate is distinct from reckoned', w.way), w.what)
from (values (0, 'told by a result, then reported'), (1, 'told by a report alone'), (2, 'unknown by its result'), (3, 'unknown at the end of its lease')) w (way, what);
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
select is(pg_temp.row_of('+99960000000'), 'own +9996 12:30', 'an own row beats the shared one of the same beginning');
select is(pg_temp.row_of('+99971000000'), 'own +9997 12:30', 'and a shared one of a longer beginning');
select is_empty('select core.differences(campaign_id) from worlds', 'the numbers are the rows');

select * from finish();
rollback;
