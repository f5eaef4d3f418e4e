-- A report without a reference waits for the entry that learns its message id, for as long as a provider
-- goes on telling. Then it is listed, for the account and day, where a person of that organization sees it.
begin;
select plan(25);

select core.set_clock('2026-03-02 12:00:00+00');
select core.world(3) as campaign
\gset
select core.world(1) as neighbour
\gset
select core.hand_out(:'campaign');
select core.hand_out(:'neighbour');

create function pg_temp.stranger(_campaign_id uuid, _wamid text, _status text default 'delivered', _more jsonb default '{}')
returns text
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports('whatsapp', jsonb_build_array(jsonb_build_object(
        'app', 'default', 'sender', core.account_column(_campaign_id, 'sender'), 'provider_message_id', _wamid, 'status', _status,
        'timestamp', floor(extract(epoch from sendonce.now()))::bigint::text
    ) || _more)) ->> 'waiting';
$$;
create function pg_temp.sweep()
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    _swept jsonb;
    _applied integer := 0;
    _given_up integer := 0;
begin
    loop
        _swept := public.sweep_reports();
        _applied := _applied + (_swept ->> 'applied')::integer;
        _given_up := _given_up + (_swept ->> 'given_up')::integer;
        exit when not (_swept ->> 'more')::boolean;
    end loop;
    return jsonb_build_object('applied', _applied, 'given_up', _given_up);
end;
$$;
-- A worker sweeps about once a second; here a step of the clock is an hour.
create function pg_temp.hours(_hours integer)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    _swept jsonb;
    _applied integer := 0;
    _given_up integer := 0;
begin
    for _hour in 1.._hours loop
        perform core.advance('1 hour');
        _swept := pg_temp.sweep();
        _applied := _applied + (_swept ->> 'applied')::integer;
        _given_up := _given_up + (_swept ->> 'given_up')::integer;
    end loop;
    return jsonb_build_object('applied', _applied, 'given_up', _given_up);
end;
$$;

select is(pg_temp.stranger(:'campaign', 'wamid.stranger.2'), '1', 'a report of a message that nobody knows waits');
select is(pg_temp.stranger(:'campaign', 'wamid.stranger.1', 'read'), '1', 'so does another of the account');
select is(pg_temp.stranger(:'campaign', 'wamid.stranger.1', 'read'), '1', 'and its repetition');
select is(pg_temp.stranger(:'neighbour', 'wamid.stranger.3', 'failed', '{"code": "131050"}'), '1', 'and one of another organization');
select is(
    pg_temp.stranger(:'campaign', core.wamid(core.entry(:'campaign', 1), 1), 'failed', '{"code": "131050", "message": "wants no more"}'),
    '1', 'one of a message of ours waits as well, as long as its id is not known'
);
select is(pg_temp.stranger(:'campaign', core.wamid(core.entry(:'campaign', 2), 1)), '1', 'two of those');
select is((select count(*) from suppressions), 0::bigint, 'a code in what waits has no effect');

-- The first learns its id at once, the second on the last hour of the seventh day.
select core.result(core.entry(:'campaign', 1), 'accepted');
select core.advance('2 seconds');
select is(pg_temp.sweep(), '{"applied": 1, "given_up": 0}', 'the entry has learned its message id: the report is applied');
select is(core.state(core.entry(:'campaign', 1)), 'sent/undelivered', 'to its entry');
select is(core.column_of(core.entry(:'campaign', 1), 'delivery_error_code'), '131050', 'with its code');
select is((select s.recipient from suppressions s), core.person(1), 'which now has its effect');
select expire_claims() from core.advance('2 minutes');
select is(pg_temp.hours(167), '{"applied": 0, "given_up": 0}', 'the others wait for 6 days and 23 hours');
select ok(
    (select max(l.look_at) <= sendonce.now() + interval '6 hours' from sendonce.report_log l
where l.disposition = 'waiting'),
    'looked at every six hours by then'
);
select core.result(core.entry(:'campaign', 2), 'accepted', '{}', 987654321, 1);
select is(core.state(core.entry(:'campaign', 2)), 'sent', 'a worker tells a result that it held back all the time');
select core.advance('57 minutes 57 seconds');
update sendonce.report_log set look_at = sendonce.now()
where disposition = 'waiting';
select is((pg_temp.sweep() ->> 'given_up'), '0', 'a second before the seven days are over none is given up');
select is((select count(*) from discrepancies), 0::bigint, 'nor listed');
select is((pg_temp.hours(6) ->> 'given_up'), '4', 'within six hours after them all are');
select is(core.state(core.entry(:'campaign', 2)), 'sent/delivered', 'but the one that became known on the last day was applied');

select results_eq(
    $$
    select d.organization_id, d.account_id, d.kind, d.detail ->> 'first'
    from discrepancies d
    order by d.detail ->> 'first'
    $$,
    format(
        'values (%L::uuid, %L::uuid, %L, %L), (%L, %L, %L, %L)',
        core.organization_of(:'campaign'), core.account_of(:'campaign'), 'unknown_message_id', 'wamid.stranger.1',
        core.organization_of(:'neighbour'), core.account_of(:'neighbour'), 'unknown_message_id', 'wamid.stranger.3'
    ),
    'listed once for each account, with an id to ask the provider about'
);
select is(
    (select array_agg(distinct l.disposition || ': ' || l.reason) from sendonce.report_log l
where l.provider_message_id like '%stranger%'),
    array['refused: no message with this id was sent from here'], 'each on record with the reason'
);
select is((select count(*) from suppressions), 1::bigint, 'its code has no effect');
select is(pg_temp.hours(12), '{"applied": 0, "given_up": 0}', 'and then it is over');

-- Of another day it is news again.
select pg_temp.stranger(:'campaign', 'wamid.stranger.4');
select pg_temp.hours(175);
select is((select count(*) from discrepancies), 3::bigint, 'what is given up on another day is listed again');
select core.become('authenticated', core.member(core.organization_of(:'neighbour'), 'viewer'));
select is((select array_agg(d.detail ->> 'first') from discrepancies d), array['wamid.stranger.3'], 'a member sees those of his organization');
select core.become_owner();
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
