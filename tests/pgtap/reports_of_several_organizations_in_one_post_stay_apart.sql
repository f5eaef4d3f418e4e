-- One POST tells of three accounts of two organizations, mixed, with each other's references among them:
-- every report moves its own account's rows or none, and its side effects stay in its own organization.
begin;
select plan(15);

select core.set_clock('2026-03-02 12:00:00+00');
select core.organization() as acme, core.organization() as rival
\gset
select core.price(o.id, 0.05) from (values (:'acme'::uuid), (:'rival')) o (id);
select core.world(4, jsonb_build_object('organization', :'acme')) as one
\gset
select core.world(4, jsonb_build_object('organization', :'acme')) as two
\gset
select core.world(4, jsonb_build_object('organization', :'rival')) as other
\gset
select core.hand_out(c.id) from (values (:'one'::uuid), (:'two'), (:'other')) c (id);

-- Sender of one campaign, entry of another.
create function pg_temp.told(_from uuid, _about uuid, _number integer, _status text, _code text default null)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select jsonb_build_object(
        'app', 'default', 'sender', core.account_column(_from, 'sender'), 'status', _status, 'timestamp', '1772452800', 'code', _code,
        'provider_message_id', core.wamid(core.entry(_about, _number), 1), 'reference', format('so1:%s:%s:1', _about, core.entry(_about, _number))
    );
$$;
select ingest_delivery_reports('whatsapp', jsonb_build_array(
    pg_temp.told(:'other', :'other', 1, 'delivered'),
    pg_temp.told(:'one', :'other', 2, 'delivered'),
    pg_temp.told(:'one', :'one', 1, 'read'),
    pg_temp.told(:'two', :'one', 2, 'read'),
    pg_temp.told(:'two', :'two', 1, 'failed', '131050'),
    pg_temp.told(:'other', :'two', 3, 'failed', '131031'),
    pg_temp.told(:'other', :'other', 4, 'failed', '131031'),
    pg_temp.told(:'one', :'one', 1, 'delivered'),
    pg_temp.told(:'two', :'two', 4, 'sent')
)) as answer
\gset
select is(:'answer'::jsonb, '{"taken": 9, "applied": 6, "waiting": 0, "refused": 3, "ignored": 0}', 'nine reports, three with a reference of another account');
create function pg_temp.states(_campaign_id uuid)
returns text []
language sql
volatile
set search_path = ''
as $$
    select array_agg(core.state(core.entry(_campaign_id, n)) order by n) from generate_series(1, 4) n;
$$;
select is(pg_temp.states(:'one'), array['sent/read', 'processing', 'processing', 'processing'], 'the one account: its own report applied, that under another account''s number not');
select is(pg_temp.states(:'two'), array['sent/undelivered', 'processing', 'processing', 'sent'], 'the other account of the organization');
select is(pg_temp.states(:'other'), array['sent/delivered', 'processing', 'processing', 'sent/undelivered'], 'the account of the other organization');

select results_eq(
    'select organization_id, recipient from suppressions', format('values (%L::uuid, %L)', :'acme', core.person(1)),
    'the same person opted out of one organization, and not of the other'
);
select is(
    (select array_agg(a.id) from provider_accounts a
where a.paused_at is not null), array[core.account_of(:'other')], 'the account whose own report tells of it is paused, and no other'
);
select is(
    array[core.counter(:'one', 'actual_cost'), core.counter(:'two', 'actual_cost'), core.counter(:'other', 'actual_cost')]::numeric [],
    array[0.05, 0, 0.05], 'each is charged for its own'
);
select results_eq(
    'select account_id, organization_id, detail ->> ''reference'' from discrepancies order by seen_at, detail ->> ''reference''',
    format(
        $$
        select * from (values (%L::uuid, %L::uuid, %L), (%L, %L, %L), (%L, %L, %L)) v (account_id, organization_id, reference) order by reference
        $$,
        core.account_of(:'one'), :'acme', format('so1:%s:%s:1', :'other', core.entry(:'other', 2)),
        core.account_of(:'two'), :'acme', format('so1:%s:%s:1', :'one', core.entry(:'one', 2)),
        core.account_of(:'other'), :'rival', format('so1:%s:%s:1', :'two', core.entry(:'two', 3))
    ),
    'what was refused is listed for the account under whose number it came'
);

-- A message id that another account has already leads nowhere either, with no reference at all.
select core.result(core.entry(:'one', 2), 'accepted');
select is(
    ingest_delivery_reports('whatsapp', jsonb_build_array(pg_temp.told(:'other', :'one', 2, 'read') - 'reference')) ->> 'waiting', '1',
    'a message id known to another organization''s account is unknown here'
);
select core.advance('2 seconds');
select is(sweep_reports() ->> 'applied', '0', 'and stays unknown');
select is(core.state(core.entry(:'one', 2)), 'sent', 'its entry is not touched');
-- Both accounts may have a message of that id.
select core.result(core.entry(:'other', 3), 'accepted', jsonb_build_object('provider_message_id', core.wamid(core.entry(:'one', 2), 1)));
select core.advance('1 minute');
select is(sweep_reports() ->> 'applied', '1', 'until a message of this account has it');
select is(core.state(core.entry(:'other', 3)), 'sent/read', 'which it was about');
select is(core.state(core.entry(:'one', 2)), 'sent', 'the other has its own');
select is_empty(
    format('select d from unnest(array[%L, %L, %L]::uuid []) c (id) cross join core.differences(c.id) d', :'one', :'two', :'other'), 'the numbers are the rows'
);

select * from finish();
rollback;
