-- synchronous_commit is switched on inside the two calls whose commit must not be lost, and stays on to
-- the end of their transaction; a SET clause of the function would end before the commit.
begin;
select plan(4);

select core.set_clock();
select core.world(2) as campaign
\gset
set local synchronous_commit = off;
select core.claim(:'campaign') as claim
\gset
select core.dispatch(:claim);
select is(current_setting('synchronous_commit'), 'on', 'after begin_dispatch the commit is durable');
set local synchronous_commit = off;
select core.report(core.entry(:'campaign'), 'sent');
select is(current_setting('synchronous_commit'), 'on', 'after ingest_delivery_reports too');
select is_empty(
    $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'sendonce'::regnamespace)
        and exists (select from unnest(p.proconfig) c where c like 'synchronous_commit%')
    $$, 'and no function sets it for its own time only'
);
set local synchronous_commit = off;
select begin_dispatch(:claim, array[core.entry(:'campaign', 2)]);
select is(current_setting('synchronous_commit'), 'on', 'repeated as well');

select * from finish();
rollback;
