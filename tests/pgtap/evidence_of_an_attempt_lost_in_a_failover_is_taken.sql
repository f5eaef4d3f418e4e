-- A fail-over may lose the commit of a claim whose message went out. Its report names an attempt that
-- this database never knew. It proves that the person got the message all the same.
begin;
select plan(5);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.report(
    core.entry(:'campaign', 1), 'sent',
    jsonb_build_object('reference', format('so1:%s:%s:1', :'campaign', core.entry(:'campaign', 1)), 'provider_message_id', 'wamid.lost')
) as answer
\gset
select is(:'answer'::jsonb ->> 'applied', '1', 'a report of an attempt that is not on record is evidence');
select is(core.state(core.entry(:'campaign', 1)), 'sent', 'it settles the entry');
select is(core.column_of(core.entry(:'campaign', 1), 'provider_message_id'), 'wamid.lost', 'with its message id');
select isnt_empty('select from verify_invariants()', 'verify_invariants shows that a claim is missing');
select core.hand_out(:'campaign');
select is(core.column_of(core.entry(:'campaign', 1), 'attempt'), '0', 'and the entry is not handed out any more');

select * from finish();
rollback;
