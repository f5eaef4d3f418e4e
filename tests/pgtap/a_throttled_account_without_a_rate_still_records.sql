-- "Slow down" said to an account that has no rate: the results of the batch must be kept all the same.
begin;
select plan(4);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');

select lives_ok(
    format(
        'select core.result(%s, %L, %L)', core.entry(:'campaign', 1), 'rejected', '{"code": "130429", "http_status": 429}'
    ), 'a throttled result is recorded'
);
select is(core.state(core.entry(:'campaign', 1)), 'ready', 'its entry waits');
select lives_ok(
    format(
        'select core.report(%s, %L, %L)', core.entry(:'campaign', 2), 'failed', '{"code": "130429"}'
    ), 'a throttling report is taken'
);
select is(core.state(core.entry(:'campaign', 2)), 'sent/undelivered', 'and applied');

select * from finish();
rollback;
