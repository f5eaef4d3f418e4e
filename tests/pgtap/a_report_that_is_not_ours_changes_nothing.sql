-- Another sender, another app, another campaign's or another database's reference, attempt 0, a
-- message id that belongs to another attempt: refused, listed once, and nothing moves.
begin;
select plan(33);

select core.set_clock();
select core.world(3, '{"account": {"app": "main"}}') as campaign
\gset
select core.world(1, '{"account": {"app": "other"}}') as foreign_campaign
\gset
select core.hand_out(:'campaign');
select core.hand_out(:'foreign_campaign');
select core.result(core.entry(:'campaign', 2), 'accepted');

create function pg_temp.everything()
returns text
language sql
volatile
set search_path = ''
as $$
    select md5(concat(
        (select jsonb_agg(to_jsonb(q) order by q.id) from public.send_queue q),
        (select jsonb_agg(to_jsonb(m) order by m.entry_id, m.attempt) from public.messages m),
        (select jsonb_agg(to_jsonb(c) order by c.id) from public.campaigns c)
    ));
$$;
select core.keep('before', pg_temp.everything());

create temporary table foreign_reports on commit drop as
select f.what, f.extra::jsonb as extra, f.disposition
from (
    values
    ('another sender', jsonb_build_object('sender', 'nobody'), 'refused'),
    ('the sender of another account', jsonb_build_object('sender', core.account_column(:'foreign_campaign', 'sender')), 'refused'),
    ('another app', jsonb_build_object('app', 'other'), 'refused'),
    ('no app', jsonb_build_object('app', null), 'refused'),
    ('no sender', jsonb_build_object('sender', null), 'refused'),
    ('the reference of another campaign', jsonb_build_object(
        'reference', format('so1:%s:%s:1', :'foreign_campaign', core.entry(:'campaign', 1))), 'refused'),
    ('the reference of another database', jsonb_build_object(
        'reference', format('so1:%s:%s:1', gen_random_uuid(), core.entry(:'campaign', 1))), 'refused'),
    ('the reference of another account''s entry', jsonb_build_object(
        'reference', format('so1:%s:%s:1', :'foreign_campaign', core.entry(:'foreign_campaign'))), 'refused'),
    ('attempt 0', jsonb_build_object('reference', format('so1:%s:%s:0', :'campaign', core.entry(:'campaign', 1))), 'refused'),
    ('the message id of another entry', jsonb_build_object('provider_message_id', core.wamid(core.entry(:'campaign', 2), 1)), 'refused'),
    ('no message id', jsonb_build_object('provider_message_id', null), 'refused'),
    ('an empty message id', jsonb_build_object('provider_message_id', ''), 'refused'),
    ('a status that nobody knows', jsonb_build_object('status', 'teleported'), 'refused'),
    ('a status that says nothing about sending', jsonb_build_object('status', 'deleted'), 'ignored'),
    ('no reference and an unknown message id', jsonb_build_object('reference', null, 'provider_message_id', 'wamid.unknown'), 'waiting'),
    ('a reference of somebody else''s making', jsonb_build_object('reference', 'order 17', 'provider_message_id', 'wamid.unknown2'), 'waiting')
) f (what, extra, disposition);

select is(
    core.report(core.entry(:'campaign', 1), 'delivered', f.extra) ->> f.disposition, '1', format('%s: %s', f.what, f.disposition)
)
from foreign_reports f;
select is(pg_temp.everything(), core.kept('before'), 'nothing has moved');

-- An attempt has one message id.
select core.report(core.entry(:'campaign', 2), 'read', '{"provider_message_id": "wamid.different"}') as answer
\gset
select is(:'answer'::jsonb ->> 'refused', '1', 'another message id for an attempt that has one: refused');
select is(pg_temp.everything(), core.kept('before'), 'and nothing has moved');

-- Two reports of one POST that contradict each other.
select ingest_delivery_reports('whatsapp', (
    select jsonb_agg(jsonb_build_object(
        'app', 'main', 'sender', core.account_column(:'campaign', 'sender'), 'provider_message_id', 'wamid.both', 'status', 'sent',
        'timestamp', '1772452800', 'reference', format('so1:%s:%s:1', :'campaign', core.entry(:'campaign', n))
    ) order by n)
    from unnest(array[1, 3]) n
)) as answer
\gset
select is((:'answer'::jsonb ->> 'applied')::integer, 1, 'one message id for two entries in one POST: the first has it');
select is((:'answer'::jsonb ->> 'refused')::integer, 1, 'the other is refused');
select is(core.state(core.entry(:'campaign', 3)), 'processing', 'and stays as it is');

-- What is no report at all.
select is(ingest_delivery_reports('whatsapp', '[1, null, "text", [], {}, {"status": {}}]') ->> 'refused', '6', 'six things that are no reports: refused');
select is(ingest_delivery_reports('whatsapp', '[]') ->> 'taken', '0', 'an empty POST is taken');
select is(ingest_delivery_reports('pigeon', jsonb_build_array(jsonb_build_object('status', 'sent', 'provider_message_id', 'p'))) ->> 'refused', '1', 'a provider that nobody knows: refused');
select throws_ok('select ingest_delivery_reports(''whatsapp'', ''{}'')', 'SO005', null, 'what is no array raises');
select throws_ok('select ingest_delivery_reports(''whatsapp'', null)', 'SO005', null, 'nothing raises');

-- Among good ones.
select core.world(3) as mixed
\gset
select core.hand_out(:'mixed');
select ingest_delivery_reports('whatsapp', (
    select jsonb_agg(jsonb_build_object(
        'app', case n when 2 then 'wrong' else 'default' end, 'sender', core.account_column(:'mixed', 'sender'),
        'provider_message_id', core.wamid(core.entry(:'mixed', n), 1), 'status', 'delivered', 'timestamp', '1772452800',
        'reference', format('so1:%s:%s:1', :'mixed', core.entry(:'mixed', n))
    ))
    from generate_series(1, 3) n
));
select is(
    array(select core.state(core.entry(:'mixed', n)) from generate_series(1, 3) n), array['sent/delivered', 'processing', 'sent/delivered'], 'a bad one fails no good one'
);

-- A POST may span accounts.
select core.world(1) as one
\gset
select core.world(1) as two
\gset
select core.hand_out(:'one');
select core.hand_out(:'two');
select ingest_delivery_reports('whatsapp', (
    select jsonb_agg(jsonb_build_object(
        'app', 'default', 'sender', core.account_column(c.id::uuid, 'sender'), 'provider_message_id', core.wamid(core.entry(c.id::uuid), 1),
        'status', 'read', 'timestamp', '1772452800', 'reference', format('so1:%s:%s:1', c.id, core.entry(c.id::uuid))
    ))
    from (values (:'one'), (:'two')) c (id)
));
select is(core.state(core.entry(:'one')), 'sent/read', 'a POST of two accounts reaches the one');
select is(core.state(core.entry(:'two')), 'sent/read', 'and the other');

-- Listed once, however often it comes.
select core.keep('listed', (select count(*) from discrepancies)::text);
select core.report(core.entry(:'campaign', 1), 'delivered', f.extra) from foreign_reports f
where f.disposition = 'refused';
select is((select count(*) from discrepancies)::text, core.kept('listed'), 'a repetition is not listed again');
select cmp_ok((select count(*) from discrepancies
where kind = 'refused_report'), '>=', 12::bigint, 'but each kind was');
select is_empty(format('select core.differences(%L)', :'mixed'), 'the numbers are the rows');

select * from finish();
rollback;
