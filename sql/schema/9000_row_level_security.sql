-- Who sees which rows. Members read their organization's; nobody but the owner writes any.

do $policies$
declare
    _table text;
begin
    foreach _table in array array[
        'organization_members', 'limit_groups', 'provider_accounts', 'templates', 'campaigns', 'send_queue', 'claims', 'messages',
        'suppressions', 'discrepancies', 'campaign_events', 'daily_summary'
    ] loop
        execute format('alter table public.%I enable row level security', _table);
        -- In a sub-select, so that it is asked once per statement and not once per row.
        execute format(
            'create policy members_see_their_organization on public.%I for select to authenticated '
            'using (organization_id in (select sendonce.caller_organizations()))', _table
        );
    end loop;

    foreach _table in array array['error_classes', 'provider_errors', 'provider_statuses'] loop
        execute format('alter table public.%I enable row level security', _table);
        execute format('create policy everybody_sees_what_codes_mean on public.%I for select to authenticated using (true)', _table);
    end loop;
end;
$policies$;

alter table public.organizations enable row level security;
create policy members_see_their_organization on public.organizations for select to authenticated
using (id in (select sendonce.caller_organizations()));

alter table public.rates enable row level security;
create policy members_see_shared_and_own_rates on public.rates for select to authenticated
using (organization_id is null or organization_id in (select sendonce.caller_organizations()));

do $service$
declare
    _table text;
begin
    foreach _table in array array[
        'organizations', 'organization_members', 'limit_groups', 'provider_accounts', 'templates', 'rates', 'error_classes',
        'provider_errors', 'provider_statuses', 'campaigns', 'send_queue', 'claims', 'messages', 'suppressions', 'discrepancies',
        'campaign_events', 'daily_summary'
    ] loop
        -- On Supabase service_role bypasses RLS anyway; elsewhere it need not.
        execute format('create policy service_sees_all on public.%I for select to service_role using (true)', _table);
        -- By name, because default privileges differ between installations.
        execute format('revoke all on table public.%I from public, anon, authenticated, service_role, sendonce_worker', _table);
        execute format('grant select on table public.%I to authenticated, service_role', _table);
    end loop;

    foreach _table in array array['limit_group_recipients', 'database_identity', 'campaign_cursors', 'report_log', 'workers', 'no_crash_since', 'sqlstates'] loop
        execute format('revoke all on table sendonce.%I from public, anon, authenticated, service_role, sendonce_worker', _table);
    end loop;

    -- Sequences of identity columns get default privileges too.
    for _table in
        select format('%I.%I', n.nspname, c.relname)
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_depend d on d.objid = c.oid and d.deptype in ('i', 'a') and d.classid = 'pg_catalog.pg_class'::regclass
        join pg_catalog.pg_class owner on owner.oid = d.refobjid
        where c.relkind = 'S'
            and n.nspname in ('public', 'sendonce')
            and owner.relname in (
                'rates', 'send_queue', 'campaign_events', 'discrepancies', 'report_log'
            )
    loop
        execute format('revoke all on sequence %s from public, anon, authenticated, service_role, sendonce_worker', _table);
    end loop;
    revoke all on sequence sendonce.claim_ids from public, anon, authenticated, service_role, sendonce_worker;
end;
$service$;
