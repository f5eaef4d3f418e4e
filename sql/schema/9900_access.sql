-- Who may execute what: the whole of it, by name. A function that is not in this list stops the installation.

do $access$
declare
    _granted record;
    _forgotten text;
begin
    create temporary table access_list (signature text primary key, audience text not null) on commit drop;
    insert into pg_temp.access_list (signature, audience)
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
        -- Dashboards.
        ('create_organization(text)', 'dashboard'),
        ('set_member(uuid, uuid, public.member_role)', 'dashboard'),
        ('upsert_account(uuid, text, text, text, jsonb)', 'dashboard'),
        ('pause_account(uuid, text)', 'dashboard'),
        ('resume_account(uuid)', 'dashboard'),
        ('upsert_template(uuid, text, text, text, jsonb)', 'dashboard'),
        ('create_campaign(uuid, text, uuid, uuid, jsonb)', 'dashboard'),
        ('add_recipients(uuid, jsonb)', 'dashboard'),
        ('start_campaign(uuid, timestamptz)', 'dashboard'),
        ('pause_campaign(uuid, text)', 'dashboard'),
        ('resume_campaign(uuid)', 'dashboard'),
        ('cancel_campaign(uuid)', 'dashboard'),
        -- Both.
        ('schema_version()', 'everybody'),
        -- Nobody: what has no wrapper in public is reached only from inside other functions.
        ('increment_campaign_sent(uuid, integer)', 'nobody'),
        ('increment_campaign_failed(uuid, integer)', 'nobody'),
        ('increment_campaign_skipped(uuid, integer)', 'nobody'),
        ('increment_campaign_cancelled(uuid, integer)', 'nobody'),
        ('increment_campaign_unknown(uuid, integer)', 'nobody'),
        ('increment_campaign_delivered(uuid, integer)', 'nobody'),
        ('increment_campaign_read(uuid, integer)', 'nobody'),
        ('increment_campaign_undelivered(uuid, integer)', 'nobody');

    -- Everything in sendonce first loses what PUBLIC and default privileges gave.
    for _granted in
        select p.oid::regprocedure::text as signature
        from pg_catalog.pg_proc p
        where p.pronamespace = 'sendonce'::regnamespace
    loop
        execute format('revoke all on function %s from public, anon, authenticated, service_role, sendonce_worker', _granted.signature);
    end loop;

    for _granted in select l.signature, l.audience from pg_temp.access_list l order by l.signature loop
        execute format('revoke all on function public.%s from public, anon, authenticated, service_role, sendonce_worker', _granted.signature);
        continue when _granted.audience = 'nobody';
        execute format(
            'grant execute on function public.%s to %s', _granted.signature,
            case _granted.audience
                when 'worker' then 'service_role, sendonce_worker'
                when 'dashboard' then 'authenticated, service_role'
                else 'authenticated, service_role, sendonce_worker'
            end
        );
        -- The invoker wrapper reaches its definer with the caller's own rights.
        if to_regprocedure('sendonce.' || _granted.signature) is not null then
            execute format(
                'grant execute on function sendonce.%s to %s', _granted.signature,
                case _granted.audience
                    when 'worker' then 'service_role, sendonce_worker'
                    else 'authenticated, service_role'
                end
            );
        end if;
    end loop;

    -- RLS policies and wrappers ask these with the caller's rights.
    grant execute on function sendonce.caller_organizations() to authenticated, service_role;

    select string_agg(p.oid::regprocedure::text, ', ') into _forgotten
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
        and exists (select from pg_catalog.pg_proc d where d.pronamespace = 'sendonce'::regnamespace and d.proname = p.proname)
        and p.oid not in (select to_regprocedure('public.' || l.signature) from pg_temp.access_list l);
    if _forgotten is not null then
        raise exception 'sql/schema/9900_access.sql does not say who may execute %', _forgotten;
    end if;
end;
$access$;
