-- Five outcomes in a row that told nothing: the account rests 30 s, doubling to 15 min; then one entry
-- goes out alone, and what becomes of it decides. Nobody has to get up at night.
begin;
select plan(23);

select core.set_clock();
select core.world(20) as campaign
\gset

select core.claim(:'campaign', 5) as claim
\gset
select core.dispatch(:claim);
select core.result(core.entry(:'campaign', n), case when n % 2 = 0 then 'ambiguous' else 'not_sent' end)
from generate_series(1, 4) n;
select is(core.account_column(:'campaign', 'resting_until'), null, 'four such outcomes do not rest it');
select core.result(core.entry(:'campaign', 5), 'ambiguous');
select is(
    core.account_column(:'campaign', 'resting_until')::timestamptz, sendonce.now() + interval '30 seconds', 'the fifth does, for 30 seconds'
);
select is(core.claim(:'campaign'), null, 'and nothing is given out');
select core.advance('29.9 seconds');
select is(core.claim(:'campaign'), null, 'until the rest is over');
select core.advance('0.1 seconds');

select claim_messages('worker-1', core.account_of(:'campaign'), 100) as probe
\gset
select is(jsonb_array_length(:'probe'::jsonb -> 'entries'), 1, 'then one entry probes');
select is(core.claim(:'campaign'), null, 'alone: nothing else goes out while it is in hand');
select core.dispatch((:'probe'::jsonb ->> 'claim_id')::bigint);
select core.result((:'probe'::jsonb #>> '{entries, 0, entry_id}')::bigint, 'ambiguous');
select is(
    core.account_column(:'campaign', 'resting_until')::timestamptz, sendonce.now() + interval '60 seconds', 'a probe that told nothing rests it twice as long'
);

-- The rests that follow: 2, 4, 8 minutes, then never more than 15.
create function pg_temp.next_rest(_campaign_id uuid)
returns interval
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim jsonb;
begin
    perform core.set_clock(core.account_column(_campaign_id, 'resting_until')::timestamptz);
    _claim := public.claim_messages('worker-1', core.account_of(_campaign_id), 100);
    perform core.dispatch((_claim ->> 'claim_id')::bigint);
    perform core.result((_claim #>> '{entries, 0, entry_id}')::bigint, 'ambiguous');
    return core.account_column(_campaign_id, 'resting_until')::timestamptz - sendonce.now();
end;
$$;

select is(pg_temp.next_rest(:'campaign'), '2 minutes', 'then 2 minutes');
select is(pg_temp.next_rest(:'campaign'), '4 minutes', 'then 4');
select is(pg_temp.next_rest(:'campaign'), '8 minutes', 'then 8');
select is(pg_temp.next_rest(:'campaign'), '15 minutes', 'then 15');
select is(pg_temp.next_rest(:'campaign'), '15 minutes', 'and never more');

select core.set_clock(core.account_column(:'campaign', 'resting_until')::timestamptz);
select claim_messages('worker-1', core.account_of(:'campaign'), 100) as probe
\gset
select core.dispatch((:'probe'::jsonb ->> 'claim_id')::bigint);
select core.result((:'probe'::jsonb #>> '{entries, 0, entry_id}')::bigint, 'accepted');
select is(core.account_column(:'campaign', 'resting_until'), null, 'a probe that was accepted ends the rest');
select is(core.account_column(:'campaign', 'unsure_in_a_row'), '0', 'and the count');
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'and everything goes out again');
select is((select max(total_failed) from campaigns
where id = :'campaign'), 0, 'the outage has burnt no contact');

-- What does not count.
select core.world(20) as other
\gset
select core.hand_out(:'other') as claim
\gset
select core.result(core.entry(:'other', n), 'ambiguous') from generate_series(1, 4) n;
select core.result(core.entry(:'other', 5), 'rejected', '{"code": "135000"}');
select is(core.account_column(:'other', 'unsure_in_a_row'), '0', 'a definite answer starts the count anew');
select core.result(core.entry(:'other', n), 'not_sent', '{"code": "not_started"}') from generate_series(6, 12) n;
select is(core.account_column(:'other', 'resting_until'), null, 'what a stopping worker never started does not count');

-- In one batch: only what comes after the last definite answer.
select record_results(:claim, (
    select jsonb_agg(jsonb_build_object('entry_id', core.entry(:'other', n), 'attempt', 1, 'outcome', 'ambiguous') order by n)
        || jsonb_build_array(jsonb_build_object('entry_id', core.entry(:'other', 18), 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'w18'))
        || jsonb_build_array(jsonb_build_object('entry_id', core.entry(:'other', 19), 'attempt', 1, 'outcome', 'ambiguous'))
    from generate_series(13, 17) n
));
select is(core.account_column(:'other', 'unsure_in_a_row'), '1', 'of a batch only what follows its last definite answer counts');
select is(core.account_column(:'other', 'resting_until'), null, 'so that the account works on');

-- A person may end the rest.
select core.world(6) as third
\gset
select core.hand_out(:'third', 5);
select core.result(core.entry(:'third', n), 'ambiguous') from generate_series(1, 5) n;
select is(core.claim(:'third'), null, 'another account rests');
select resume_account(core.account_of(:'third'));
select cmp_ok(core.claim(:'third'), '>', 0::bigint, 'until a person resumes it');
select is(
    (select count(*) from campaign_events
where event = 'account.rests' and account_id = core.account_of(:'third')), 1::bigint, 'and the rest is logged'
);

select * from finish();
rollback;
