begin;
select plan(12);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_draft(1, :'account') as first \gset
select testing.make_draft(1, :'account') as second \gset
select testing.make_draft(5, :'account') as third \gset

-- Two of one instant, so that the time alone is no key.
alter table public.campaigns disable trigger guard_campaign;
update public.campaigns set created_at = '2026-01-01 10:00+00' where id in (:'first', :'second');
alter table public.campaigns enable trigger guard_campaign;
select array_agg(c.id order by c.created_at desc, c.id) as expected from public.campaigns c \gset

select results_eq(
    format('select id from public.list_campaigns(%L)', :'organization'), :'expected'::uuid[], 'campaigns come newest first'
);
select results_eq(
    format('select id from public.list_campaigns(%L, null, 1)', :'organization'), (:'expected'::uuid[])[1:1], 'a page at a time'
);
select results_eq(
    format('select id from public.list_campaigns(%L, %L, 1)', :'organization', (:'expected'::uuid[])[1]), (:'expected'::uuid[])[2:2], 'the next'
);
select results_eq(
    format('select id from public.list_campaigns(%L, %L, 1)', :'organization', (:'expected'::uuid[])[2]), (:'expected'::uuid[])[3:3],
    'and the next, though it was made at the same instant'
);
select is_empty(format('select id from public.list_campaigns(%L, %L)', :'organization', (:'expected'::uuid[])[3]), 'after the last there is none');
select throws_ok(
    format('select id from public.list_campaigns(%L, %L)', :'organization', gen_random_uuid()), 'SO004', null, 'a key that is not there is an error'
);
select throws_ok(
    format('select id from public.list_campaigns(%L, null, 1001)', :'organization'), 'SO005', null, 'a page that an API would cut is refused'
);

select results_eq(
    format('select id from public.campaign_entries(%L, null, 0, 2)', :'third'),
    array[testing.entry(:'third', 1), testing.entry(:'third', 2)], 'entries come by id'
);
select results_eq(
    format('select id from public.campaign_entries(%L, null, %s, 2)', :'third', testing.entry(:'third', 2)),
    array[testing.entry(:'third', 3), testing.entry(:'third', 4)], 'from the last one seen on'
);
select is_empty(format('select id from public.campaign_entries(%L, null, %s)', :'third', testing.entry(:'third', 5)), 'until there is none');
select throws_ok(format('select id from public.campaign_entries(%L, null, 0, 0)', :'third'), 'SO005', null, 'a page has a row at least');
select throws_ok($$select id from public.campaign_entries(gen_random_uuid())$$, 'SO004', null, 'a campaign that does not exist');

select * from finish();
rollback;
