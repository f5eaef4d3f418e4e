begin;
select plan(11);

select core.set_clock();
select core.world(40, '{"account": {"maximum_rate": 80}}') as campaign
\gset
select core.advance('1 second');
select core.hand_out(:'campaign') as claim
\gset
select core.result(core.entry(:'campaign', 1), 'rejected', '{"code": "130429"}');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 40::numeric, 'a throttled result halves the rate');
select is(core.account_column(:'campaign', 'maximum_rate')::numeric, 80::numeric, 'the maximum stays');
select is(core.state(core.entry(:'campaign', 1)), 'ready', 'the entry comes back');
select is(core.column_of(core.entry(:'campaign', 1), 'tries'), '0', 'and the attempt does not count');
select core.result(core.entry(:'campaign', 7), 'rejected', '{"code": "130429"}');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 40::numeric, 'what was on its way then, and is throttled too, tells nothing new');
select core.advance('1 second');
select core.result(core.entry(:'campaign', 2), 'rejected', '{"http_status": 429}');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 20::numeric, 'HTTP 429 without a code halves it again');

-- Three throttled results of one batch are one event.
select core.advance('1 second');
select record_results(:claim, (
    select jsonb_agg(jsonb_build_object('entry_id', core.entry(:'campaign', n), 'attempt', 1, 'outcome', 'rejected', 'code', '130429'))
    from generate_series(3, 5) n
));
select is(core.account_column(:'campaign', 'current_rate')::numeric, 10::numeric, 'several in one batch halve it once');

select core.advance('1 second');
select core.report(core.entry(:'campaign', 6), 'failed', '{"code": "130429"}');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 5::numeric, 'so does a report');

select core.advance('7 seconds');
select core.dispatch(:claim);
select is(core.account_column(:'campaign', 'current_rate')::numeric, 13::numeric, 'it climbs by 1 percent of the maximum a second');
select core.advance('1 hour');
select renew_claims(array[:claim]);
select core.advance('1 second');
select core.hand_out(:'campaign');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 80::numeric, 'back to the maximum');
select cmp_ok(core.account_column(:'campaign', 'tokens')::numeric, '<=', 8::numeric, 'and the bucket does not overflow meanwhile');

select * from finish();
rollback;
