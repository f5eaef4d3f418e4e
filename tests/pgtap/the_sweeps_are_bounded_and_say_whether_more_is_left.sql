begin;
select plan(21);

create function pg_temp.until_no_more(_call text)
returns integer[]
language plpgsql
volatile
set search_path = ''
as $$
declare
    _answer jsonb;
    _moved integer[] := '{}';
    _calls integer := 0;
begin
    loop
        execute 'select public.' || _call into _answer;
        _moved := _moved || coalesce(_answer ->> 'expired', _answer ->> 'failed', _answer ->> 'cancelled', _answer ->> 'started', _answer ->> 'applied')::integer;
        _calls := _calls + 1;
        exit when not (_answer ->> 'more')::boolean or _calls > 50;
    end loop;
    return _moved;
end;
$$;

select core.set_clock();

-- Claims.
select core.world(7) as campaign
\gset
select core.claim(:'campaign', 1) from generate_series(1, 7);
select core.advance('1 hour');
select pg_temp.until_no_more('expire_claims(3)') as moved
\gset
select cmp_ok((select max(m) from unnest(:'moved'::integer[]) m), '<=', 3, 'no call expires more claims than it may');
select is((select sum(m) from unnest(:'moved'::integer[]) m), 7::bigint, 'calls until there is no more expire all');
select is_empty('select from claims', 'and no claim is left');

-- Unknown entries, of two accounts.
select core.world(4) as second
\gset
select core.hand_out(:'campaign');
select core.hand_out(:'second');
select core.advance('1 hour');
select expire_claims();
select is((select count(*) from send_queue
where status = 'unknown'), 11::bigint, 'eleven are unknown');
select core.advance('1 hour');
select pg_temp.until_no_more('settle_overdue_unknown(3)') as moved
\gset
select cmp_ok((select max(m) from unnest(:'moved'::integer[]) m), '<=', 3, 'no call settles more than it may');
select is((select sum(m) from unnest(:'moved'::integer[]) m), 11::bigint, 'calls until there is no more settle all');
select is(core.campaign_status(:'campaign'), 'completed', 'the first campaign completes');
select is(core.campaign_status(:'second'), 'completed', 'and the second');

-- Cancelled campaigns: one never begun, one half handed out, some returned.
select core.world(8) as fresh
\gset
select core.world(8) as begun
\gset
select core.claim(:'begun', 5) as claim
\gset
select core.dispatch(:claim, array[core.entry(:'begun', 1)]);
select release_claim(:claim);
select cancel_campaign(:'fresh');
select cancel_campaign(:'begun');
select pg_temp.until_no_more('sweep_cancelled(3)') as moved
\gset
select cmp_ok((select max(m) from unnest(:'moved'::integer[]) m), '<=', 3, 'no call cancels more than it may');
select is((select sum(m) from unnest(:'moved'::integer[]) m), 15::bigint, 'calls until there is no more cancel all that is ready');
select is(core.counter(:'fresh', 'progress')::numeric, 100::numeric, 'the one is settled');
select is(core.state(core.entry(:'begun', 1)), 'processing', 'what is in flight finishes');
select is(
    (sweep_cancelled(3) ->> 'cancelled')::integer, 0, 'and is not swept meanwhile'
);
select core.result(core.entry(:'begun', 1), 'not_sent');
select pg_temp.until_no_more('sweep_cancelled(3)') as moved
\gset
select is((select sum(m) from unnest(:'moved'::integer[]) m), 1::bigint, 'one that comes back later is swept too');
select is(core.counter(:'begun', 'total_cancelled'), '8', 'then all of it is cancelled');
select is_empty(format('select core.differences(%L)', :'begun'), 'the numbers are the rows');

-- Scheduled campaigns.
select core.world(1, '{"start": false}') as draft
\gset
select start_campaign(core.campaign(core.account_of(:'draft'), core.template_of(:'draft'), 1, false), sendonce.now() + interval '1 hour')
from generate_series(1, 5);
select is(start_due_campaigns(2) ->> 'started', '0', 'before their time none starts');
select core.advance('1 hour');
select pg_temp.until_no_more('start_due_campaigns(2)') as moved
\gset
select is((select sum(m) from unnest(:'moved'::integer[]) m), 5::bigint, 'then all start');

-- Waiting reports, of two providers.
select core.world(3) as whatsapp
\gset
select core.world(3, '{"account": {"provider": "twilio"}, "template": {"provider": "twilio"}}') as twilio
\gset
select core.hand_out(:'whatsapp');
select core.hand_out(:'twilio');
select core.report(core.entry(c.campaign::uuid, n), 'delivered', '{"reference": null}')
from (values (:'whatsapp'), (:'twilio')) c (campaign), generate_series(1, 3) n;
select is((select count(*) from sendonce.report_log
where disposition = 'waiting'), 6::bigint, 'six reports wait');
select core.result(core.entry(c.campaign::uuid, n), 'accepted') from (values (:'whatsapp'), (:'twilio')) c (campaign), generate_series(1, 3) n;
select pg_temp.until_no_more('sweep_reports(2)') as moved
\gset
select cmp_ok((select max(m) from unnest(:'moved'::integer[]) m), '<=', 2, 'no call takes more reports than it may');
select is((select sum(m) from unnest(:'moved'::integer[]) m), 6::bigint, 'calls until there is no more apply all, of both providers');

select * from finish();
rollback;
