begin;
select plan(14);

select core.set_clock();
select core.world(0, '{"start": false}') as campaign
\gset
select core.organization_of(:'campaign') as organization
\gset
-- One is there already, one of the new ones comes twice, one is suppressed, one is no number.
select add_recipients(:'campaign', core.people(1, 1));
select suppress(:'organization', core.person(4), 'all', 'a letter');
select core.people(1, 4) || core.people(2, 2) || '[{"recipient": "12"}]' as chunk
\gset
select to_jsonb(c) as campaign_before from campaigns c where c.id = :'campaign'
\gset

select add_recipients(:'campaign', :'chunk', true) as dry
\gset
select is(:'dry'::jsonb ->> 'added', '3', 'it says how many would be added');
select is(:'dry'::jsonb ->> 'duplicate', '2', 'how many are there or come twice');
select is(:'dry'::jsonb ->> 'suppressed', '1', 'how many of them are suppressed');
select is(:'dry'::jsonb #>> '{rejected, 0, row}', '6', 'which are rejected');
select is(:'dry'::jsonb ->> 'estimated_cost', '0.100000', 'and what those would cost who get it');
select is((select count(*) from send_queue), 1::bigint, 'nothing is added');
select is((select to_jsonb(c) from campaigns c where c.id = :'campaign'), :'campaign_before'::jsonb, 'the campaign is as it was');

select is(add_recipients(:'campaign', :'chunk', true), :'dry'::jsonb, 'it says so again');
select is(add_recipients(:'campaign', :'chunk'), :'dry'::jsonb, 'and adding says the same');
select is(core.counter(:'campaign', 'total_contacts'), '4', 'then they are there');
select is(
    add_recipients(:'campaign', :'chunk', true) - 'rejected', '{"added": 0, "duplicate": 5, "suppressed": 0, "estimated_cost": 0}',
    'now a dry run would add nobody'
);
select throws_ok(format('select add_recipients(%L, %L, null)', :'campaign', '[]'), 'SO005', null, 'neither dry nor not is refused');
select start_campaign(:'campaign');
select throws_ok(
    format('select add_recipients(%L, %L, true)', :'campaign', '[]'), 'SO006', null, 'where nobody can be added, a dry run says so'
);
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
