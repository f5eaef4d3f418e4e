begin;
select plan(13);

select testing.make_campaign(5) as campaign \gset
select testing.send(2);
select testing.send(2, 'rejected', '135000');
-- The last one fails by its third try, and after nine claims that were lost.
select testing.claim(1);
create function testing.lose()
returns void
language sql
volatile
set search_path = ''
as $$
    select testing.pass_time('2 minutes');
    select public.expire_claims();
    select testing.claim(1);
$$;
select testing.lose() from generate_series(1, 9);
select testing.dispatch(k.id) from public.claims k;
select testing.record(k.id, 'rejected', '131016') from public.claims k;
select testing.pass_time('1 hour');
select testing.send(1, 'rejected', '131016');
select testing.pass_time('1 hour');
select testing.send(1, 'rejected', '131016');
select is(
    (select concat_ws(' ', q.status, q.tries, q.lost_claims) from public.send_queue q where q.id = testing.entry(:'campaign', 5)),
    'failed 3 9', 'the last one had no try and no claim left'
);
select is((select c.status::text from public.campaigns c where c.id = :'campaign'), 'completed', 'everything is settled');

select is(public.retry_failed(:'campaign', null, 2), '{"moved": 2, "more": true}', 'a step moves as many as it may and says that more are left');
select is(
    (select concat_ws(' ', c.status, c.total_failed, c.progress, c.completed_at) from public.campaigns c where c.id = :'campaign'),
    'running 1 60.00', 'the campaign runs again, in the same transaction'
);
select is(public.retry_failed(:'campaign', null, 2), '{"moved": 1, "more": false}', 'the next step moves the rest');
select is(public.retry_failed(:'campaign'), '{"moved": 0, "more": false}', 'and then there is nothing left to move');
select is(
    (
        select count(*) from public.send_queue q
        where q.campaign_id = :'campaign' and q.status = 'ready' and q.tries = 0 and q.lost_claims = 0 and q.error_class is null
    ),
    3::bigint, 'they start afresh'
);
select is((testing.send() ->> 'sent')::integer, 3, 'they are handed out again');
select is((select c.status::text from public.campaigns c where c.id = :'campaign'), 'completed', 'and complete the campaign once more');
select is(
    (select string_agg(m.outcome::text, ' ' order by m.attempt) from public.messages m where m.entry_id = testing.entry(:'campaign', 3)),
    'rejected accepted', 'the attempts keep what happened before'
);
select is(
    (select count(*) from public.campaign_events e where e.campaign_id = :'campaign' and e.event = 'campaign.retried'), 2::bigint, 'who did it is on record'
);
select throws_ok(format($$select public.retry_failed(%L, array['no_such_class'])$$, :'campaign'), 'SO005', null, 'a class that does not exist is an error');
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
