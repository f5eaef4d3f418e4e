-- What the provider cannot mean is kept out and listed: of which account, which message, which reference,
-- which status, and why. Listed once, seen by the members of that organization only; nothing moves.
begin;
select plan(26);

select core.set_clock('2026-03-02 12:00:00+00');
select core.world(4, '{"account": {"app": "main"}}') as campaign
\gset
select core.world(2, '{"account": {"app": "main"}}') as neighbour
\gset
select core.hand_out(:'campaign');
select core.hand_out(:'neighbour');
select core.result(core.entry(:'campaign', 2), 'accepted');
select core.result(core.entry(:'neighbour', 1), 'accepted');

create function pg_temp.everything()
returns text
language sql
volatile
set search_path = ''
as $$
    select md5(concat(
        (select jsonb_agg(to_jsonb(q) order by q.id) from public.send_queue q),
        (select jsonb_agg(to_jsonb(m) order by m.entry_id, m.attempt) from public.messages m),
        (select jsonb_agg(to_jsonb(c) order by c.id) from public.campaigns c),
        (select jsonb_agg(to_jsonb(a) order by a.id) from public.provider_accounts a),
        (select jsonb_agg(to_jsonb(t) order by t.id) from public.templates t),
        (select count(*) from public.suppressions),
        (select count(*) from public.campaign_events)
    ));
$$;
select core.keep('before', pg_temp.everything());

create temporary table contradictions on commit drop as
select row_number() over ()::integer as number, c.*
from (
    values
    ('a status that nobody knows', 1, '{"status": "teleported"}'::jsonb, 'a status that provider_statuses does not list'),
    ('no message id', 1, '{"provider_message_id": null}', 'no message id'),
    ('an endless message id', 1, jsonb_build_object('provider_message_id', repeat('w', 501)), 'a message id of more than 500 characters'),
    ('the app of another', 1, '{"app": "other"}', 'signed by an app that is not the account''s'),
    ('the message id of another entry', 1, jsonb_build_object('provider_message_id', core.wamid(core.entry(:'campaign', 2), 1)), 'the message id belongs to another attempt than the reference'),
    ('another message id for an attempt', 2, '{"provider_message_id": "wamid.another"}', 'this attempt has another message id'),
    ('attempt 0', 3, jsonb_build_object('reference', format('so1:%s:%s:0', :'campaign', core.entry(:'campaign', 3))), 'the reference names no entry of this account'),
    ('an entry that never was', 3, jsonb_build_object('reference', format('so1:%s:999999999:1', :'campaign')), 'the reference names no entry of this account'),
    ('the reference of a neighbour, with our message id', 2, jsonb_build_object('reference', format('so1:%s:%s:1', :'neighbour', core.entry(:'neighbour', 2))), 'the reference names no entry of this account'),
    ('attempt 0 of what was sent', 2, jsonb_build_object('reference', format('so1:%s:%s:0', :'campaign', core.entry(:'campaign', 2))), 'the reference names no entry of this account'),
    ('the campaign of a neighbour', 3, jsonb_build_object('reference', format('so1:%s:%s:1', :'neighbour', core.entry(:'campaign', 3))), 'the reference names no entry of this account'),
    ('the reference of a neighbour', 3, jsonb_build_object('reference', format('so1:%s:%s:1', :'neighbour', core.entry(:'neighbour', 2))), 'the reference names no entry of this account'),
    (
        'the neighbour''s reference and message id', 3, jsonb_build_object(
            'reference', format('so1:%s:%s:1', :'neighbour', core.entry(:'neighbour', 1)),
            'provider_message_id', core.wamid(core.entry(:'neighbour', 1), 1)
        ), 'the reference names no entry of this account'
    )
) c (what, person, extra, reason);

-- With a code that would pause the account, stop the template or suppress the person, were it believed.
create function pg_temp.tell(_campaign_id uuid)
returns setof text
language sql
volatile
set search_path = ''
as $$
    select core.report(
        core.entry(_campaign_id, c.person), 'failed',
        jsonb_build_object('code', (array['131031', '132015', '131050'])[1 + c.number % 3], 'message', 'a case') || c.extra
    ) ->> 'refused'
    from pg_temp.contradictions c
    order by c.number;
$$;
select results_eq(format('select pg_temp.tell(%L)', :'campaign'), 'select ''1'' from contradictions', 'each is refused');
select is(pg_temp.everything(), core.kept('before'), 'nothing has moved, no account is paused, no template stopped, nobody suppressed');

select is(
    (
        select count(*)::integer
        from discrepancies d
        where d.kind = 'refused_report'
            and d.organization_id = core.organization_of(:'campaign')
            and d.account_id = core.account_of(:'campaign')
            and d.detail ->> 'reason' = c.reason
            and d.detail ->> 'status' = coalesce(c.extra ->> 'status', 'failed')
            and d.detail ->> 'app' = coalesce(c.extra ->> 'app', 'main')
            and d.detail ->> 'reference' = coalesce(c.extra ->> 'reference', format('so1:%s:%s:1', :'campaign', core.entry(:'campaign', c.person)))
            and d.detail ->> 'provider_message_id' is not distinct from case
                when c.extra ? 'provider_message_id' then left(c.extra ->> 'provider_message_id', 500)
                else core.wamid(core.entry(:'campaign', c.person), 1)
            end
    ), 1, c.what || ': listed with why and whose'
)
from contradictions c;
select pg_temp.tell(:'campaign');
select is((select count(*) from discrepancies), 13::bigint, 'however often they come, each is listed once');
select is(
    (select count(*) from sendonce.report_log l
where l.disposition = 'refused' and l.reason is not null), 26::bigint, 'on record each time'
);

-- A sender that nobody has here belongs to nobody.
select core.report(core.entry(:'campaign', 1), 'sent', '{"sender": "nobody"}');
select is(
    (select d.detail ->> 'reason' from discrepancies d
where d.organization_id is null), 'no account with this sender', 'what is of no account is listed for the operator'
);

-- Two reports of one POST that cannot both be true. Which of them holds does not depend on their order.
create function pg_temp.both(_numbers integer [])
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports('whatsapp', (
        select jsonb_agg(jsonb_build_object(
            'app', 'main', 'sender', core.account_column(core.kept('campaign')::uuid, 'sender'), 'status', 'sent', 'timestamp', '1772452800',
            'provider_message_id', 'wamid.for.two', 'reference', format('so1:%s:%s:1', core.kept('campaign'), core.entry(core.kept('campaign')::uuid, n.number))
        ) order by n.place)
        from unnest(_numbers) with ordinality n (number, place)
    ));
$$;
select core.keep('campaign', :'campaign');
select is(pg_temp.both(array[4, 3]) - 'taken', '{"applied": 1, "waiting": 0, "refused": 1, "ignored": 0}', 'one message id for two entries: one of them has it');
select is(
    array[core.state(core.entry(:'campaign', 3)), core.state(core.entry(:'campaign', 4))], array['sent', 'processing'], 'the earlier entry, in whichever order they stand'
);
select is(
    (select d.detail ->> 'reference' from discrepancies d
where d.detail ->> 'reason' = 'another report of the same POST disagrees about the message id'),
    format('so1:%s:%s:1', :'campaign', core.entry(:'campaign', 4)), 'and the other is listed'
);
select is(pg_temp.both(array[3, 4]) - 'taken', '{"applied": 1, "waiting": 0, "refused": 1, "ignored": 0}', 'told again in the other order');
select is(core.state(core.entry(:'campaign', 4)), 'processing', 'it stays so');

-- Who sees them.
select count(*) as listed from discrepancies where organization_id = core.organization_of(:'campaign')
\gset
select core.member(core.organization_of(:'campaign'), 'viewer') as ours, core.member(core.organization_of(:'neighbour'), 'admin') as theirs
\gset
select core.become('authenticated', :'ours');
select is((select count(*) from discrepancies), :listed::bigint, 'a member sees what is of his organization');
select core.become_owner();
select core.become('authenticated', :'theirs');
select is((select count(*) from discrepancies), 0::bigint, 'the neighbour, whose reference was used, does not');
select core.become_owner();
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
