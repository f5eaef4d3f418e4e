begin;
select plan(8);

select testing.make_campaign(10) as campaign \gset
select testing.send(4);
select testing.pass_time('5 minutes');
select testing.send(3, 'rejected', '135000');
select testing.report(testing.entry(:'campaign', 1), 'read');
select testing.report(testing.entry(:'campaign', 2), 'delivered');
select public.campaign_timeline(:'campaign', '1 minute') as timeline \gset

prepare totals as
    select
        sum((p.value ->> 'sent')::integer)::integer, sum((p.value ->> 'failed')::integer)::integer,
        sum((p.value ->> 'delivered')::integer)::integer, sum((p.value ->> 'read')::integer)::integer
    from jsonb_array_elements(:'timeline'::jsonb -> 'points') p;
prepare counters as
    select c.total_sent, c.total_failed, c.total_delivered, c.total_read from public.campaigns c where c.id = :'campaign';
select results_eq('execute totals', 'execute counters', 'the buckets add up to the counters');
select ok(jsonb_array_length(:'timeline'::jsonb -> 'points') >= 2, 'what happened later lies in a later bucket');
select is(
    jsonb_array_length(public.campaign_timeline(:'campaign', '1 day') -> 'points') <= 2, true, 'a longer bucket takes more'
);
select is((:'timeline'::jsonb ->> 'bucket_seconds')::numeric, 60::numeric, 'it says how long a bucket is');
select testing.make_draft(0) as draft \gset
select is(public.campaign_timeline(:'draft', '1 minute') -> 'points', '[]', 'nothing happened yet');
select throws_ok(format($$select public.campaign_timeline(%L, '0 seconds')$$, :'campaign'), 'SO005', null, 'a bucket without length');
select throws_ok(format($$select public.campaign_timeline(%L, '1 month')$$, :'campaign'), 'SO005', null, 'a bucket without a fixed length');
select throws_ok($$select public.campaign_timeline(gen_random_uuid(), '1 minute')$$, 'SO004', null, 'a campaign that does not exist');

select * from finish();
rollback;
