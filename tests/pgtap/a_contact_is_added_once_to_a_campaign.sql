begin;
select plan(18);

select core.set_clock();
select core.world(0, '{"start": false}') as campaign
\gset
select is(
    add_recipients(:'campaign', core.people(1, 3)), '{"added": 3, "duplicate": 0, "suppressed": 0, "rejected": [], "estimated_cost": 0.15}', 'three are added'
);
select is(add_recipients(:'campaign', core.people(1, 3)) ->> 'added', '0', 'the same chunk again adds nothing');
select is(add_recipients(:'campaign', core.people(3, 5)) ->> 'added', '2', 'of an overlapping one only the new');
select is(
    add_recipients(:'campaign', core.people(6, 6) || core.people(6, 6) || core.people(6, 6)) - 'rejected' - 'estimated_cost', '{"added": 1, "duplicate": 2, "suppressed": 0}',
    'one three times in a chunk is added once'
);
select is(core.counter(:'campaign', 'total_contacts'), '6', 'six are counted');
select throws_ok(
    format(
        'insert into send_queue (organization_id, account_id, campaign_id, recipient) values (%L, %L, %L, %L)',
        core.organization_of(:'campaign'), core.account_of(:'campaign'), :'campaign', core.person(1)
    ), '23505', null, 'not even the owner adds a contact twice'
);
select core.campaign(core.account_of(:'campaign'), core.template_of(:'campaign'), 6, false) as other
\gset
select is(core.counter(:'other', 'total_contacts'), '6', 'another campaign may have the same contacts');

-- Bad rows among good ones.
select add_recipients(:'campaign', jsonb_build_array(
    '{"recipient": "+99900000101"}'::jsonb, '{"recipient": "0151 2345678", "row": 17}'::jsonb, '{"recipient": "+0123456789"}'::jsonb,
    '{"recipient": "+123456"}'::jsonb, '{"recipient": "+1234567890123456"}'::jsonb, '{"recipient": null}'::jsonb, '{}'::jsonb, 'null'::jsonb, '7'::jsonb,
    '[]'::jsonb, '"+99900000102"'::jsonb, '{"recipient": "+99900000103", "variables": {"surplus": "x"}}'::jsonb, '{"recipient": "+99900000104 "}'::jsonb
)) as answer
\gset
select is((:'answer'::jsonb ->> 'added')::integer, 2, 'among bad ones the good are added');
select is(jsonb_array_length(:'answer'::jsonb -> 'rejected'), 11, 'every bad one is told');
select is(:'answer'::jsonb #>> '{rejected, 0, row}', '3', 'with its place');
select ok(
    exists (select from jsonb_array_elements(:'answer'::jsonb -> 'rejected') r
where r.value ->> 'row' = '17'), 'or the row that the caller named'
);
select matches(:'answer'::jsonb #>> '{rejected, 0, reason}', 'E[.]164|variable', 'and the reason');
select is(core.counter(:'campaign', 'total_contacts'), '8', 'eight are counted');

select throws_ok(format('select add_recipients(%L, %L)', :'campaign', '{}'), 'SO005', null, 'what is no array is refused');
select throws_ok(format('select add_recipients(%L, null)', :'campaign'), 'SO005', null, 'nothing is refused');
select throws_ok(format('select add_recipients(%L, core.people(1, 20001))', :'campaign'), 'SO005', null, 'more than 20,000 at once are refused');
select start_campaign(:'campaign');
select throws_ok(format('select add_recipients(%L, core.people(7, 7))', :'campaign'), 'SO006', null, 'once it has started nobody is added');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
