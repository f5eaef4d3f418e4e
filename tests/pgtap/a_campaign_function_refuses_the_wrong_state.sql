-- Every action of a person in every state of a campaign: it works, or says SO006; never nothing.
begin;
select plan(30);

select core.set_clock();

create function pg_temp.make(_status text)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid := core.world(1, '{"start": false}');
begin
    case _status
        when 'draft' then null;
        when 'scheduled' then perform public.start_campaign(_campaign_id, sendonce.now() + interval '1 hour');
        when 'cancelled' then perform public.cancel_campaign(_campaign_id);
        else
            perform public.start_campaign(_campaign_id);
            if _status = 'paused' then
                perform public.pause_campaign(_campaign_id, 'test');
            elsif _status = 'completed' then
                perform core.bring(core.entry(_campaign_id), 'sent');
            end if;
    end case;
    return _campaign_id;
end;
$$;

create function pg_temp.try_action(_status text, _action text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid := pg_temp.make(_status);
begin
    case _action
        when 'add recipients to' then perform public.add_recipients(_campaign_id, core.people(7, 8));
        when 'start' then perform public.start_campaign(_campaign_id);
        when 'pause' then perform public.pause_campaign(_campaign_id, 'test');
        when 'resume' then perform public.resume_campaign(_campaign_id);
        when 'cancel' then perform public.cancel_campaign(_campaign_id);
    end case;
    return 'becomes ' || core.campaign_status(_campaign_id);
exception
    when sqlstate 'SO006' then
        return 'SO006';
end;
$$;

select is(
    pg_temp.try_action(s.status, a.action), coalesce(allowed.result, 'SO006'), format('%s a %s campaign: %s', a.action, s.status, coalesce(allowed.result, 'SO006'))
)
from unnest(enum_range(null::public.campaign_status)::text[]) s (status)
cross join unnest(array['add recipients to', 'start', 'pause', 'resume', 'cancel']) a (action)
left join (
    values
    ('draft', 'add recipients to', 'becomes draft'),
    ('draft', 'start', 'becomes running'),
    ('draft', 'cancel', 'becomes cancelled'),
    ('scheduled', 'add recipients to', 'becomes scheduled'),
    ('scheduled', 'start', 'becomes running'),
    ('scheduled', 'cancel', 'becomes cancelled'),
    ('running', 'pause', 'becomes paused'),
    ('running', 'cancel', 'becomes cancelled'),
    ('paused', 'resume', 'becomes running'),
    ('paused', 'cancel', 'becomes cancelled')
) allowed (status, action, result) on allowed.status = s.status and allowed.action = a.action;

select * from finish();
rollback;
