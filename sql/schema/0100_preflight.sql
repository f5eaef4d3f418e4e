-- Before anything changes: refuse to install over somebody else's tables, or a second time.

do $preflight$
declare
    _foreign text;
begin
    if to_regnamespace('sendonce') is not null then
        raise exception using
            errcode = 'SO002',
            message = 'Sendonce is already installed in this database',
            detail = 'The schema "sendonce" exists.',
            hint = 'Upgrade with the migrations in supabase/migrations, or install into a fresh database.';
    end if;

    select string_agg(existing.name, ', ' order by existing.name)
    into _foreign
    from (
        select c.relname::text as name
        from pg_catalog.pg_class c
        where c.relnamespace = 'public'::regnamespace
            and c.relname in (
                'organizations', 'organization_members', 'limit_groups', 'provider_accounts', 'templates',
                'rates', 'error_classes', 'provider_errors', 'provider_statuses', 'campaigns', 'send_queue',
                'claims', 'messages', 'suppressions', 'discrepancies', 'campaign_events', 'daily_summary'
            )
        union all
        select t.typname::text
        from pg_catalog.pg_type t
        where t.typnamespace = 'public'::regnamespace
            and t.typname in (
                'member_role', 'account_unknown_policy', 'campaign_status', 'entry_status',
                'delivery_status', 'message_outcome', 'charge_event'
            )
    ) existing;

    if _foreign is not null then
        raise exception using
            errcode = 'SO001',
            message = 'tables or types with names that Sendonce needs exist in schema public',
            detail = 'In the way: ' || _foreign || '. Nothing was changed.',
            hint = 'Rename or move them (alter table … set schema …), or install Sendonce into a database of its own.';
    end if;
end;
$preflight$;
