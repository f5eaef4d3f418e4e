-- The lists of the design, by name: a function that is missing here, or granted to more, fails this file.
begin;
select plan(12);

create temporary table expected (name text, audience text) on commit drop;
insert into expected
select w.name, 'worker'
from unnest(array[
    'claim_messages', 'begin_dispatch', 'record_results', 'renew_claims', 'release_claim', 'expire_claims', 'settle_overdue_unknown',
    'sweep_cancelled', 'start_due_campaigns', 'sweep_reports', 'ingest_delivery_reports', 'worker_heartbeat', 'refresh_daily_summary'
]) w (name)
union all
select d.name, 'dashboard'
from unnest(array[
    'create_campaign', 'clone_campaign', 'clone_recipients', 'add_recipients', 'start_campaign', 'pause_campaign', 'resume_campaign', 'cancel_campaign',
    'retry_failed', 'resolve_unknown', 'send_message', 'campaign_progress', 'list_campaigns', 'campaign_entries', 'campaign_timeline',
    'failure_breakdown', 'queue_stats', 'unknown_entries', 'check_campaigns', 'repair_campaign', 'verify_invariants', 'upsert_template', 'upsert_account',
    'pause_account', 'resume_account', 'suppress', 'suppress_recipients', 'unsuppress', 'create_organization', 'set_member'
]) d (name)
union all
select 'schema_version', 'both'
union all
select 'set_provider_error', 'service';

create function pg_temp.executable(_role text, _schema text)
returns text[]
language sql
volatile
set search_path = ''
as $$
    select coalesce(array_agg(distinct p.proname::text order by p.proname::text), '{}')
    from pg_catalog.pg_proc p
    where p.pronamespace = _schema::regnamespace and has_function_privilege(_role, p.oid, 'execute');
$$;

select is(pg_temp.executable('anon', 'public'), '{}'::text[], 'anon executes nothing');
select is(pg_temp.executable('anon', 'sendonce'), '{}'::text[], 'nor in the inner schema');
select is(pg_temp.executable('public', 'public'), '{}'::text[], 'PUBLIC executes nothing');
select is(pg_temp.executable('public', 'sendonce'), '{}'::text[], 'nor in the inner schema');
select is(
    pg_temp.executable('sendonce_worker', 'public'),
    array(select distinct name from expected
where audience in ('worker', 'both')
order by name), 'the worker executes its list'
);
select is(
    pg_temp.executable('authenticated', 'public'),
    array(select distinct name from expected
where audience in ('dashboard', 'both')
order by name), 'a signed-in user executes the dashboard''s list'
);
select is(
    pg_temp.executable('service_role', 'public'), array(select distinct name from expected
order by name), 'the service executes both'
);
-- In the inner schema: the definers of the same names, and what reading asks, all of it harmless.
select is(
    (select array_agg(f.name) from unnest(pg_temp.executable('sendonce_worker', 'sendonce')) f (name)
where f.name not in (select name from expected)),
    null, 'inside, the worker reaches only what its functions call'
);
select is(
    (
        select array_agg(f.name)
        from unnest(pg_temp.executable('authenticated', 'sendonce')) f (name)
        where f.name not in (select name from expected
where audience in ('dashboard', 'both'))
            and f.name not in (
                'caller_organizations', 'now', 'handed_out_up_to', 'window_is_open', 'next_window_opening', 'limit_group_full_until', 'workers_alive', 'check_page', 'raise_not_found', 'raise_invalid'
            )
    ), null, 'inside, a signed-in user reaches only what the dashboard''s functions call'
);
select is_empty(
    $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'sendonce'::regnamespace)
        and not coalesce('search_path=""' = any (p.proconfig), false)
    $$, 'every function has its search path fixed'
);
select is_empty(
    $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prosecdef
    $$, 'no function that the API exposes runs as the owner by itself'
);
select is_empty(
    $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc p
    join pg_catalog.pg_trigger t on t.tgfoid = p.oid
    where p.pronamespace = 'sendonce'::regnamespace and not p.prosecdef
    $$, 'every trigger runs as the owner, whoever writes'
);

select * from finish();
rollback;
