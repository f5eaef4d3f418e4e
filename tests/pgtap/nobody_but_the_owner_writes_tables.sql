-- With a write granted, somebody could PATCH processing to ready over the API: a second send by legal means.
begin;
select plan(11);

create temporary table privileges on commit drop as
select r.name as role, n.nspname as schema, c.relname as relation, p.privilege
from unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker', 'public']) r (name)
cross join pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('public', 'sendonce')
cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p (privilege)
where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and has_table_privilege(r.name, c.oid, p.privilege);

select is_empty($$select * from privileges where privilege <> 'select'$$, 'no role writes any table');
select is_empty($$select * from privileges where role in ('anon', 'sendonce_worker', 'public')$$, 'anon, the worker and PUBLIC read none');
select is_empty($$select * from privileges where schema = 'sendonce'$$, 'nobody reads the inner tables');
select is_empty(
    $$
    select c.relname
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
    $$, 'every table of the API has row level security'
);
select is_empty(
    $$
    select c.relname, r.name
    from pg_catalog.pg_class c
    cross join unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker']) r (name)
    where c.relnamespace in ('public'::regnamespace, 'sendonce'::regnamespace) and c.relkind = 'S'
        and (has_sequence_privilege(r.name, c.oid, 'usage') or has_sequence_privilege(r.name, c.oid, 'update'))
    $$, 'nobody draws from a sequence'
);

-- And so it goes, as an admin of the organization.
select core.set_clock();
select core.world(1) as campaign
\gset
select core.hand_out(:'campaign');
select core.entry(:'campaign') as entry
\gset
select core.member(core.organization_of(:'campaign'), 'admin') as admin
\gset
select core.become('authenticated', :'admin');
select throws_ok(format('update public.send_queue set status = %L where id = %s', 'ready', :'entry'), '42501', null, 'an admin does not move an entry');
select throws_ok('delete from public.send_queue', '42501', null, 'nor delete any');
select throws_ok('delete from public.claims', '42501', null, 'nor close a claim');
select throws_ok('update public.campaigns set status = ''completed''', '42501', null, 'nor complete a campaign');
select throws_ok('insert into public.organization_members select * from public.organization_members', '42501', null, 'nor make a member but by set_member');
select core.become_owner();
select is(core.state(:entry), 'processing', 'the entry is where it was');

select * from finish();
rollback;
