begin;
select plan(6);

select testing.make_campaign(4) as campaign \gset
select testing.send(1, 'rejected', '135000');
select testing.send(2, 'ambiguous');
select public.cancel_campaign(:'campaign');

select throws_ok(format('select public.retry_failed(%L)', :'campaign'), 'SO006', 'cannot retry a cancelled campaign', 'a failed entry is not retried');
select throws_ok(
    format($$select public.resolve_unknown(%s, 'retry')$$, testing.entry(:'campaign', 2)), 'SO006', null, 'an unknown one is not put back to ready'
);
select lives_ok(format($$select public.resolve_unknown(%s, 'fail')$$, testing.entry(:'campaign', 2)), 'but it may be given up');
select throws_ok(format('select public.retry_failed(%L)', testing.make_draft(1)), 'SO006', null, 'a draft has nothing to retry');
select is(testing.claim(), null, 'nothing is given out');
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
