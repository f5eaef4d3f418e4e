-- The answer got lost, the holder asks again: what was dispatched stays dispatched, whatever changed
-- meanwhile, and takes no second token.
begin;
select plan(8);

select core.set_clock();
select core.world(3, '{"account": {"maximum_rate": 100}}') as campaign
\gset
select core.advance('1 second');
select core.claim(:'campaign') as claim
\gset
select begin_dispatch(:claim, array[core.entry(:'campaign', 2), core.entry(:'campaign', 1)]) as first
\gset
select is(
    :'first'::jsonb -> 'dispatched', jsonb_build_array(core.entry(:'campaign', 1), core.entry(:'campaign', 2)), 'two are dispatched'
);
select core.keep('tokens', core.account_column(:'campaign', 'tokens'));
select is(core.kept('tokens')::numeric, 3::numeric, 'for two tokens out of a bucket of five');
select is(
    begin_dispatch(:claim, array[core.entry(:'campaign', 1), core.entry(:'campaign', 2)]) -> 'dispatched', :'first'::jsonb -> 'dispatched', 'asked again, the same two are'
);
select is(core.account_column(:'campaign', 'tokens'), core.kept('tokens'), 'for no further token');

select pause_campaign(:'campaign', 'test');
select is(
    begin_dispatch(:claim, array[core.entry(:'campaign', 1), core.entry(:'campaign', 2)]) -> 'dispatched', :'first'::jsonb -> 'dispatched',
    'even when the campaign was paused meanwhile: their requests may be under way'
);
select is(core.state(core.entry(:'campaign', 1)), 'processing', 'and they stay in hand');
select is(begin_dispatch(:claim, array[core.entry(:'campaign', 3)]) -> 'dispatched', '[]', 'the third may not leave any more');
select is(core.state(core.entry(:'campaign', 3)), 'ready', 'and is taken back');

select * from finish();
rollback;
