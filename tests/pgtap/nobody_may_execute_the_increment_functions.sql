-- The functions by which home-grown senders drift: they exist, and no role may call them.
begin;
select plan(72);

select has_function('public', f.name, array['uuid', 'integer'], format('%s exists', f.name))
from unnest(array[
    'increment_campaign_sent', 'increment_campaign_failed', 'increment_campaign_skipped', 'increment_campaign_cancelled',
    'increment_campaign_unknown', 'increment_campaign_delivered', 'increment_campaign_read', 'increment_campaign_undelivered'
]) f (name);

select is(
    has_function_privilege(r.name, format('%s(uuid, integer)', f.name), 'execute'), false, format('%s may not execute %s', r.name, f.name)
)
from unnest(array[
    'public.increment_campaign_sent', 'public.increment_campaign_failed', 'public.increment_campaign_skipped', 'public.increment_campaign_cancelled',
    'public.increment_campaign_unknown', 'public.increment_campaign_delivered', 'public.increment_campaign_read',
    'public.increment_campaign_undelivered'
]) f (name)
cross join unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker', 'public']) r (name);

select is(
    has_function_privilege(
        r.name, 'sendonce.increment_campaign_counters(uuid, integer, integer, integer, integer, integer, integer, integer, integer, integer, numeric)',
        'execute'
    ), false, format('%s may not execute what they use', r.name)
)
from unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker']) r (name);

select core.world(1) as campaign
\gset
select core.keep('campaign', :'campaign');
create function pg_temp.try_as(_role text, _call text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.become(_role);
    execute format(_call, core.kept('campaign'));
    return '00000';
exception
    when others then
        return sqlstate;
end;
$$;
select is(
    pg_temp.try_as(r.name, format('select public.%s(%%L, 1)', f.name)), '42501', format('%s is refused %s', r.name, f.name)
)
from unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker']) r (name)
cross join unnest(array['increment_campaign_sent', 'increment_campaign_failed', 'increment_campaign_delivered', 'increment_campaign_read', 'increment_campaign_unknown']) f (name);

select * from finish();
rollback;
