-- An outage that the provider reports in good form is an outage all the same: contact after contact would use up its tries.
begin;
select plan(9);

select core.set_clock();
select core.world(20) as campaign
\gset
select core.hand_out(:'campaign', 5) as claim
\gset
select core.result(core.entry(:'campaign', n), 'rejected', '{"code": "131016", "message": "service overloaded"}') from generate_series(1, 4) n;
select is(core.account_column(:'campaign', 'resting_until'), null, 'four passing faults do not rest it');
select core.result(core.entry(:'campaign', 5), 'rejected', '{"code": "131016", "message": "service overloaded"}');
select is(core.account_column(:'campaign', 'resting_until')::timestamptz, sendonce.now() + interval '30 seconds', 'the fifth does');
select is(
    core.account_column(:'campaign', 'rest_reason'), '5 outcomes in a row told nothing, the last: rejected 131016 service overloaded', 'and it says why'
);
select is(core.claim(:'campaign'), null, 'nothing is given out meanwhile');
select core.advance('30 seconds');
select claim_messages('worker-1', core.account_of(:'campaign'), 100) as probe
\gset
select is(jsonb_array_length(:'probe'::jsonb -> 'entries'), 1, 'then one entry probes');
select core.dispatch((:'probe'::jsonb ->> 'claim_id')::bigint);
select core.result((:'probe'::jsonb #>> '{entries, 0, entry_id}')::bigint, 'rejected', '{"code": "135000"}');
select is(core.account_column(:'campaign', 'resting_until'), null, 'an answer about the message ends the rest');
select is(core.account_column(:'campaign', 'rest_reason'), null, 'and the reason with it');

-- Once more, late, and not a third time.
select core.world(1, '{"account": {"provider": "twilio"}, "template": {"provider": "twilio"}}') as sms
\gset
select core.hand_out(:'sms');
select core.result(core.entry(:'sms'), 'rejected', '{"code": "30003"}');
select is(core.state(core.entry(:'sms')), 'ready', 'a phone that cannot be reached is tried once more');
select core.advance('1 hour');
select core.hand_out(:'sms');
select core.result(core.entry(:'sms'), 'rejected', '{"code": "30003"}');
select is(core.state(core.entry(:'sms')), 'failed', 'and only once');

select * from finish();
rollback;
