-- Who may execute what: the whole of it, by name. A function that is not in this list stops the installation,
-- and verify_invariants() compares the list with the catalog for as long as the database lives.

create table sendonce.function_access (
    -- As to_regprocedure reads it, with the schema.
    signature text primary key,
    audience text not null,
    constraint audience_is_known check (audience in ('worker', 'dashboard', 'service', 'everybody', 'nobody'))
);

comment on table sendonce.function_access is 'The audience of every function that anybody may call, and of those in public that nobody may. What is not listed in schema sendonce is for nobody.';

revoke all on table sendonce.function_access from public, anon, authenticated, service_role, sendonce_worker;

create function sendonce.may_execute(_audience text, _role text)
returns boolean
language sql
immutable
set search_path = ''
as $$
    select case _audience
        when 'worker' then _role in ('service_role', 'sendonce_worker')
        when 'dashboard' then _role in ('authenticated', 'service_role')
        when 'service' then _role = 'service_role'
        when 'everybody' then _role in ('authenticated', 'service_role', 'sendonce_worker')
        else false
    end;
$$;

comment on function sendonce.may_execute(text, text) is 'Called at installation and by verify_invariants. True when this role belongs to the audience.';

insert into sendonce.function_access (signature, audience)
select 'public.' || wrapper.signature, wrapper.audience
from (
    values
        -- Workers and the webhook.
        ('claim_messages(text, uuid, integer)', 'worker'),
        ('begin_dispatch(bigint, bigint[])', 'worker'),
        ('record_results(bigint, jsonb)', 'worker'),
        ('renew_claims(bigint[])', 'worker'),
        ('release_claim(bigint)', 'worker'),
        ('expire_claims(integer)', 'worker'),
        ('settle_overdue_unknown(integer)', 'worker'),
        ('sweep_cancelled(integer)', 'worker'),
        ('start_due_campaigns(integer)', 'worker'),
        ('sweep_reports(integer)', 'worker'),
        ('worker_heartbeat(text, jsonb)', 'worker'),
        ('ingest_delivery_reports(text, jsonb)', 'worker'),
        ('refresh_daily_summary(date)', 'worker'),
        -- Dashboards: what changes something.
        ('create_organization(text)', 'dashboard'),
        ('set_member(uuid, uuid, public.member_role)', 'dashboard'),
        ('upsert_account(uuid, text, text, text, jsonb)', 'dashboard'),
        ('pause_account(uuid, text)', 'dashboard'),
        ('set_provider_error(text, text, text)', 'service'),
        ('resume_account(uuid)', 'dashboard'),
        ('upsert_template(uuid, text, text, text, jsonb)', 'dashboard'),
        ('create_campaign(uuid, text, uuid, uuid, jsonb)', 'dashboard'),
        ('add_recipients(uuid, jsonb, boolean)', 'dashboard'),
        ('start_campaign(uuid, timestamptz)', 'dashboard'),
        ('pause_campaign(uuid, text)', 'dashboard'),
        ('resume_campaign(uuid)', 'dashboard'),
        ('cancel_campaign(uuid)', 'dashboard'),
        ('send_message(uuid, uuid, uuid, text, jsonb, text)', 'dashboard'),
        ('clone_campaign(uuid, text)', 'dashboard'),
        ('clone_recipients(uuid, text, bigint, integer)', 'dashboard'),
        ('retry_failed(uuid, text[], integer)', 'dashboard'),
        ('resolve_unknown(bigint, text)', 'dashboard'),
        ('suppress(uuid, text, text, text)', 'dashboard'),
        ('suppress_recipients(uuid, jsonb, text, text)', 'dashboard'),
        ('unsuppress(uuid, text)', 'dashboard'),
        ('repair_campaign(uuid, boolean)', 'dashboard'),
        -- Dashboards: what reads.
        ('campaign_progress(uuid)', 'dashboard'),
        ('list_campaigns(uuid, uuid, integer)', 'dashboard'),
        ('campaign_entries(uuid, public.entry_status, bigint, integer)', 'dashboard'),
        ('campaign_timeline(uuid, interval)', 'dashboard'),
        ('failure_breakdown(uuid)', 'dashboard'),
        ('queue_stats(uuid)', 'dashboard'),
        ('unknown_entries(uuid, uuid, bigint, integer)', 'dashboard'),
        ('check_campaigns(uuid)', 'dashboard'),
        ('verify_invariants(uuid)', 'dashboard'),
        -- Both.
        ('schema_version()', 'everybody'),
        -- Nobody: the counters move by the counting trigger alone.
        ('increment_campaign_sent(uuid, integer)', 'nobody'),
        ('increment_campaign_failed(uuid, integer)', 'nobody'),
        ('increment_campaign_skipped(uuid, integer)', 'nobody'),
        ('increment_campaign_cancelled(uuid, integer)', 'nobody'),
        ('increment_campaign_unknown(uuid, integer)', 'nobody'),
        ('increment_campaign_delivered(uuid, integer)', 'nobody'),
        ('increment_campaign_read(uuid, integer)', 'nobody'),
        ('increment_campaign_undelivered(uuid, integer)', 'nobody')
) as wrapper (signature, audience);

-- The invoker wrapper reaches its definer with the caller's own rights.
insert into sendonce.function_access (signature, audience)
select definer.signature, l.audience
from sendonce.function_access l
cross join lateral (select regexp_replace(l.signature, '^public[.]', 'sendonce.') as signature) definer
where l.audience <> 'nobody' and to_regprocedure(definer.signature) is not null;

-- What RLS policies, wrappers and reading functions ask with the caller's rights.
insert into sendonce.function_access (signature, audience)
values
    ('sendonce.caller_organizations()', 'dashboard'),
    ('sendonce.now()', 'dashboard'),
    ('sendonce.window_is_open(time, time, text, timestamptz)', 'dashboard'),
    ('sendonce.next_window_opening(time, time, text, timestamptz)', 'dashboard'),
    ('sendonce.limit_group_full_until(uuid, timestamptz)', 'dashboard'),
    ('sendonce.workers_alive()', 'dashboard'),
    ('sendonce.check_page(integer)', 'dashboard'),
    ('sendonce.handed_out_up_to(uuid)', 'dashboard'),
    ('sendonce.raise_not_found(text, text)', 'dashboard'),
    ('sendonce.raise_invalid(text, text, text)', 'dashboard');

do $access$
declare
    _function record;
    _role text;
    _forgotten text;
begin
    -- Everything in sendonce first loses what PUBLIC and default privileges gave, then what is listed gets its own.
    for _function in
        select p.oid::regprocedure::text as signature
        from pg_catalog.pg_proc p
        where p.pronamespace = 'sendonce'::regnamespace
        union
        select l.signature
        from sendonce.function_access l
    loop
        execute format('revoke all on function %s from public, anon, authenticated, service_role, sendonce_worker', _function.signature);
    end loop;
    for _function in select l.signature, l.audience from sendonce.function_access l order by l.signature loop
        foreach _role in array array['authenticated', 'service_role', 'sendonce_worker'] loop
            if sendonce.may_execute(_function.audience, _role) then
                execute format('grant execute on function %s to %I', _function.signature, _role);
            end if;
        end loop;
    end loop;

    select string_agg(p.oid::regprocedure::text, ', ') into _forgotten
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
        and (
            exists (select from pg_catalog.pg_proc d where d.pronamespace = 'sendonce'::regnamespace and d.proname = p.proname)
            or pg_catalog.obj_description(p.oid, 'pg_proc') like 'Called by %'
        )
        and p.oid not in (select to_regprocedure(l.signature) from sendonce.function_access l);
    if _forgotten is not null then
        raise exception 'sql/schema/9900_access.sql does not say who may execute %', _forgotten;
    end if;
end;
$access$;
