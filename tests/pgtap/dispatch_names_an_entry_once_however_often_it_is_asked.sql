-- Twice in one question, for the first time and repeated: never twice in the answer.
begin;
select plan(2);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.claim(:'campaign') as claim
\gset
select is(
    begin_dispatch(:claim, array[core.entry(:'campaign'), core.entry(:'campaign')]) -> 'dispatched', jsonb_build_array(core.entry(:'campaign')),
    'the first time'
);
select is(
    begin_dispatch(:claim, array[core.entry(:'campaign'), core.entry(:'campaign')]) -> 'dispatched', jsonb_build_array(core.entry(:'campaign')),
    'and when repeated'
);

select * from finish();
rollback;
