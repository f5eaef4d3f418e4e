-- Evidence for an earlier attempt settles an entry that is in hand: it must not be sent again.
begin;
select plan(8);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', 1), 'ambiguous');
select core.result(core.entry(:'campaign', 2), 'not_sent');
update send_queue set status = 'ready'
where id = core.entry(:'campaign', 1);
select core.advance('1 second');
select core.claim(:'campaign') as claim
\gset
select is((select cardinality(entry_ids) from claims
where id = :claim), 2, 'both are in hand again');
select core.report(core.entry(:'campaign', 1), 'sent', '{}', 1);
select is(core.state(core.entry(:'campaign', 1)), 'sent', 'a report says that the first attempt was accepted');

select core.dispatch(:claim) as answer
\gset
select is(:'answer'::jsonb -> 'dispatched', jsonb_build_array(core.entry(:'campaign', 2)), 'only the other one may leave');
select is((select entry_ids from claims
where id = :claim), array[core.entry(:'campaign', 2)], 'and the claim holds only that');
select is(core.state(core.entry(:'campaign', 1)), 'sent', 'what was sent stays sent');

select is(
    begin_dispatch(:claim, array[core.entry(:'campaign', 1)]) -> 'dispatched', '[]', 'asked for alone it is not dispatched either'
);
select core.world(1) as other
\gset
select is(
    begin_dispatch(:claim, array[core.entry(:'other', 1), 999999999]) -> 'dispatched', '[]', 'nor is what another campaign holds, or nobody'
);
select is(core.state(core.entry(:'other')), 'ready', 'which is left alone');

select * from finish();
rollback;
