begin;
select plan(5);

select testing.make_campaign(8) as campaign \gset
select testing.send(2, 'rejected', '135000');
select testing.send(1, 'rejected', '131026');
select testing.send(3);
select testing.report(testing.entry(:'campaign', 4), 'failed', '131026');
select testing.report(testing.entry(:'campaign', 5), 'failed', '131026');
select testing.report(testing.entry(:'campaign', 5), 'delivered');
select public.suppress(testing.organization(:'campaign'), testing.recipient(7), 'all', 'asked for it');
-- One that waits for another try is in trouble, but has not failed.
select testing.send(2, 'rejected', '131016');
select public.failure_breakdown(:'campaign') as breakdown \gset

select is(
    :'breakdown'::jsonb -> 'failed',
    '[
        {"class": "content", "code": "135000", "contacts": 2, "meaning": "the message itself was refused", "example": null},
        {"class": "recipient", "code": "131026", "contacts": 1, "meaning": "this number cannot get the message", "example": null}
    ]'::jsonb,
    'failed contacts by class and code, the most frequent first'
);
select is(:'breakdown'::jsonb -> 'skipped', '[{"class": "suppressed", "contacts": 1}]', 'skipped ones by class');
select is(
    :'breakdown'::jsonb -> 'undelivered',
    '[{"class": "recipient", "code": "131026", "contacts": 1, "meaning": "this number cannot get the message"}]',
    'undelivered ones by the code in the report, unless they were delivered after all'
);
select results_eq(
    format(
        $$
            select
                (select sum((f.value ->> 'contacts')::integer) from jsonb_array_elements(%1$L::jsonb -> 'failed') f)::integer,
                (select sum((f.value ->> 'contacts')::integer) from jsonb_array_elements(%1$L::jsonb -> 'undelivered') f)::integer
        $$, :'breakdown'
    ),
    format('select c.total_failed, c.total_undelivered from public.campaigns c where c.id = %L', :'campaign'),
    'they add up to the counters'
);
select throws_ok($$select public.failure_breakdown(gen_random_uuid())$$, 'SO004', null, 'a campaign that does not exist');

select * from finish();
rollback;
