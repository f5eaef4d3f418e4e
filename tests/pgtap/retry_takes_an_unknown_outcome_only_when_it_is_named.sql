begin;
select plan(6);

select testing.make_campaign(3) as campaign \gset
select testing.send(1, 'ambiguous');
select testing.send(2, 'rejected', '135000');
select testing.pass_time('11 minutes');
select public.settle_overdue_unknown();
select is(
    (select q.error_class from public.send_queue q where q.id = testing.entry(:'campaign', 1)), 'outcome_unknown', 'no report came for the first'
);

select is(public.retry_failed(:'campaign'), '{"moved": 2, "more": false}', 'null retries what certainly did not go out');
select is(
    (select q.status::text from public.send_queue q where q.id = testing.entry(:'campaign', 1)), 'failed', 'and leaves what may have'
);
select is(public.retry_failed(:'campaign', array['content', 'recipient']), '{"moved": 0, "more": false}', 'so does a list without it');
select is(public.retry_failed(:'campaign', array['content', 'outcome_unknown']), '{"moved": 1, "more": false}', 'a list with it takes it');
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
