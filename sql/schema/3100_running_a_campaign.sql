-- What a person does with a campaign: create it, fill it, start, pause, resume and cancel it.

create function sendonce.campaign_for(_campaign_id uuid, _minimum public.member_role)
returns public.campaigns
language plpgsql
stable
set search_path = ''
as $$
declare
    _campaign public.campaigns;
begin
    select c.* into _campaign from public.campaigns c where c.id = _campaign_id;
    perform sendonce.require_role(_campaign.organization_id, _minimum);
    if _campaign.id is null then
        perform sendonce.raise_not_found('campaign', _campaign_id::text);
    end if;
    return _campaign;
end;
$$;

comment on function sendonce.campaign_for(uuid, public.member_role) is
    'Called by functions that act on a campaign. Returns it as it is, not locked. Raises SO003 when the caller''s role is too low, SO004 when it does not exist.';

create function sendonce.lock_campaign(_campaign_id uuid)
returns public.campaigns
language sql
volatile
set search_path = ''
as $$
    select c.* from public.campaigns c where c.id = _campaign_id for no key update;
$$;

comment on function sendonce.lock_campaign(uuid) is 'Called before a campaign''s state is judged. Locks it and returns it as it is now.';

create function sendonce.raise_wrong_state(_campaign public.campaigns, _action text, _allowed text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO006',
        message = format('cannot %s a %s campaign', _action, _campaign.status),
        detail = format('Campaign %s "%s" is %s.', _campaign.id, _campaign.name, _campaign.status),
        hint = format('Possible when it is %s.', _allowed);
end;
$$;

comment on function sendonce.raise_wrong_state(public.campaigns, text, text) is 'Called when a campaign''s state does not allow the action. Always raises SO006.';

create function sendonce.create_campaign(_organization_id uuid, _name text, _account_id uuid, _template_id uuid, _options jsonb default '{}')
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _account public.provider_accounts;
    _template public.templates;
    _campaign_id uuid;
    _zone constant text := coalesce(_options ->> 'window_time_zone', 'UTC');
begin
    perform sendonce.require_role(_organization_id, 'operator');
    perform sendonce.refuse_unknown_options(
        _options, array['priority', 'window_start', 'window_end', 'window_time_zone', 'maximum_failure_rate']
    );
    if coalesce(btrim(_name), '') = '' then
        perform sendonce.raise_invalid('a campaign needs a name', '_name is empty.', 'Pass a name.');
    end if;
    select a.* into _account from public.provider_accounts a where a.id = _account_id and a.organization_id = _organization_id;
    if not found then
        perform sendonce.raise_not_found('account', _account_id::text);
    end if;
    select t.* into _template from public.templates t where t.id = _template_id and t.organization_id = _organization_id;
    if not found then
        perform sendonce.raise_not_found('template', _template_id::text);
    end if;
    if _template.provider <> _account.provider then
        perform sendonce.raise_invalid(
            'account and template belong to different providers',
            format('Account "%s" is %s, template "%s" is %s.', _account.name, _account.provider, _template.name, _template.provider),
            'Choose both from one provider.'
        );
    end if;
    -- The view reads every file of the time zone database.
    if _zone <> 'UTC' and not exists (select from pg_catalog.pg_timezone_names z where z.name = _zone) then
        perform sendonce.raise_invalid(format('no such time zone: %s', _zone), 'window_time_zone must be a name that PostgreSQL knows.', 'Such as "Europe/Rome" or "UTC".');
    end if;

    insert into public.campaigns (
        organization_id, account_id, template_id, name, currency, priority, window_start, window_end, window_time_zone, maximum_failure_rate
    )
    values (
        _organization_id, _account_id, _template_id, _name, _account.currency, coalesce((_options ->> 'priority')::smallint, 0),
        (_options ->> 'window_start')::time, (_options ->> 'window_end')::time, _zone, (_options ->> 'maximum_failure_rate')::numeric
    )
    returning id into _campaign_id;
    perform sendonce.log_event(_organization_id, _campaign_id, _account_id, 'campaign.created', jsonb_build_object('name', _name));
    return _campaign_id;
exception
    when data_exception or check_violation then
        perform sendonce.raise_invalid(
            'an option of the campaign cannot be used', sqlerrm || '.',
            'priority: whole number; window_start and window_end: both, different, like "08:00"; maximum_failure_rate: above 0, at most 1.'
        );
        return null;
end;
$$;

comment on function sendonce.create_campaign(uuid, text, uuid, uuid, jsonb) is 'Called through public.create_campaign, which documents it.';

create function sendonce.add_recipients(_campaign_id uuid, _recipients jsonb, _dry_run boolean default false)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign public.campaigns;
    _account public.provider_accounts;
    _template public.templates;
    _now constant timestamptz := sendonce.now();
    _scopes text[];
    _rows integer;
    _rejected jsonb;
    _added integer;
    _suppressed integer;
    _cost numeric;
begin
    _campaign := sendonce.campaign_for(_campaign_id, 'operator');
    if _dry_run is null then
        perform sendonce.raise_invalid('a dry run is true or false', '_dry_run is null.', 'Leave it out to add the recipients.');
    end if;
    if jsonb_typeof(_recipients) is distinct from 'array' then
        perform sendonce.raise_invalid('recipients must be a JSON array', format('Got %s.', coalesce(jsonb_typeof(_recipients), 'null')), 'Pass [{"recipient": "+4915550001", "variables": {}}].');
    end if;
    _rows := jsonb_array_length(_recipients);
    if _rows > 20000 then
        perform sendonce.raise_invalid('a chunk takes at most 20,000 recipients', format('Got %s.', _rows), 'Send several chunks: the same one again adds nothing.');
    end if;

    -- Recipients are frozen at start, which takes this same lock: no chunk can commit behind the cursor's back.
    -- A dry run commits nothing, and holds up nobody.
    if not _dry_run then
        _campaign := sendonce.lock_campaign(_campaign_id);
    end if;
    if _campaign.status not in ('draft', 'scheduled') then
        perform sendonce.raise_wrong_state(_campaign, 'add recipients to', 'draft or scheduled; clone_campaign makes a draft for more people');
    end if;
    select a.* into _account from public.provider_accounts a where a.id = _campaign.account_id;
    select t.* into _template from public.templates t where t.id = _campaign.template_id;
    _scopes := sendonce.scopes_covering(_template.category);

    with given as materialized (
        select
            coalesce(case when r.value ->> 'row' ~ '^[0-9]{1,9}$' then (r.value ->> 'row')::integer end, r.ordinality::integer) as row_number,
            case when jsonb_typeof(r.value) = 'object' then r.value ->> 'recipient' else r.value #>> '{}' end as recipient,
            case when jsonb_typeof(r.value) = 'object' then coalesce(r.value -> 'variables', '{}') else '{}'::jsonb end as variables
        from jsonb_array_elements(_recipients) with ordinality r
    ),
    judged as materialized (
        select
            g.*,
            coalesce(sendonce.recipient_problem(g.recipient), sendonce.variable_problem(_template.variables, g.variables)) as problem
        from given g
    ),
    -- Not materialized: each of its two readers has a constant condition, so that only one of them runs.
    good as not materialized (
        select j.recipient, j.variables, s.recipient is not null as suppressed
        from (
            select distinct on (j.recipient) j.recipient, j.variables
            from judged j
            where j.problem is null
            order by j.recipient, j.row_number
        ) j
        left join public.suppressions s
            on s.organization_id = _campaign.organization_id and s.recipient = j.recipient
            and s.scope = any (_scopes)
    ),
    inserted as (
        insert into public.send_queue (organization_id, account_id, campaign_id, recipient, variables, status, error_class, settled_at)
        select
            _campaign.organization_id, _campaign.account_id, _campaign_id, g.recipient, g.variables,
            case when g.suppressed then 'skipped'::public.entry_status else 'ready' end,
            case when g.suppressed then 'suppressed' end,
            case when g.suppressed then sendonce.now() end
        from good g
        where not _dry_run
        -- In recipient order, or two imports that overlap would wait for each other.
        order by g.recipient
        on conflict (campaign_id, recipient) where campaign_id is not null do nothing
        returning recipient, status = 'skipped' as suppressed, units
    ),
    added as (
        select i.recipient, i.suppressed, i.units
        from inserted i
        union all
        -- What an insert would have added; every new entry is one unit.
        select g.recipient, g.suppressed, 1::smallint
        from good g
        where _dry_run
            and not exists (select from public.send_queue q where q.campaign_id = _campaign_id and q.recipient = g.recipient)
    )
    select
        coalesce(
            jsonb_agg(jsonb_build_object('row', j.row_number, 'recipient', j.recipient, 'reason', j.problem) order by j.row_number)
                filter (where j.problem is not null),
            '[]'
        ),
        (select count(*)::integer from added),
        (select count(*)::integer from added a where a.suppressed),
        (
            select sum(price.rate * priced.units[price.place])
            from (
                -- By the beginnings of the numbers, which are all that a price depends on: few for many contacts.
                select array_agg(b.beginning) as recipients, array_agg(b.units) as units, array_agg(_now) as at
                from (
                    select left(a.recipient, 8) as beginning, sum(a.units) as units
                    from added a
                    where not a.suppressed
                    group by 1
                ) b
            ) priced
            cross join lateral sendonce.price_recipients(
                _campaign.organization_id, _account.provider, _template.category, _campaign.currency, priced.recipients, priced.at
            ) price
        )
    into _rejected, _added, _suppressed, _cost
    from judged j;

    if _cost > 0 and not _dry_run then
        update public.campaigns c set estimated_cost = c.estimated_cost + _cost where c.id = _campaign_id;
    end if;
    return jsonb_build_object(
        'added', _added,
        'duplicate', _rows - _added - jsonb_array_length(_rejected),
        'suppressed', _suppressed,
        'rejected', _rejected,
        'estimated_cost', coalesce(_cost, 0)
    );
end;
$$;

comment on function sendonce.add_recipients(uuid, jsonb, boolean) is 'Called through public.add_recipients, which documents it.';

create function sendonce.start_campaign(_campaign_id uuid, _at timestamptz default null)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign public.campaigns;
begin
    perform sendonce.campaign_for(_campaign_id, 'operator');
    _campaign := sendonce.lock_campaign(_campaign_id);
    if _campaign.status not in ('draft', 'scheduled') then
        perform sendonce.raise_wrong_state(_campaign, 'start', 'draft or scheduled; resume_campaign goes on with a paused one');
    end if;
    if _at > sendonce.now() then
        update public.campaigns c set status = 'scheduled', scheduled_at = _at where c.id = _campaign_id;
        perform sendonce.log_event(_campaign.organization_id, _campaign_id, _campaign.account_id, 'campaign.scheduled', jsonb_build_object('at', _at));
    else
        perform sendonce.put_campaign_into_running(_campaign_id);
    end if;
    return (select jsonb_build_object('status', c.status) from public.campaigns c where c.id = _campaign_id);
end;
$$;

comment on function sendonce.start_campaign(uuid, timestamptz) is 'Called through public.start_campaign, which documents it.';

create function sendonce.forgive_failures(_campaign_id uuid)
returns void
language sql
volatile
set search_path = ''
as $$
    update public.campaigns c
    set forgiven_outcomes = c.total_sent + c.total_failed,
        forgiven_failures = c.total_failed + c.total_undelivered
    where c.id = _campaign_id;
$$;

comment on function sendonce.forgive_failures(uuid) is
    'Called by resume_campaign and retry_failed with the campaign locked. From here on the failure rate is reckoned anew.';

create function sendonce.pause_campaign(_campaign_id uuid, _reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign public.campaigns;
begin
    perform sendonce.campaign_for(_campaign_id, 'operator');
    if coalesce(btrim(_reason), '') = '' then
        perform sendonce.raise_invalid('a pause needs a reason', '_reason is empty.', 'Say why: whoever is on duty reads it.');
    end if;
    _campaign := sendonce.lock_campaign(_campaign_id);
    if _campaign.status <> 'running' then
        perform sendonce.raise_wrong_state(_campaign, 'pause', 'running');
    end if;
    update public.campaigns c set status = 'paused', paused_at = sendonce.now(), pause_reason = _reason where c.id = _campaign_id;
end;
$$;

comment on function sendonce.pause_campaign(uuid, text) is 'Called through public.pause_campaign, which documents it.';

create function sendonce.resume_campaign(_campaign_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign public.campaigns;
begin
    perform sendonce.campaign_for(_campaign_id, 'operator');
    _campaign := sendonce.lock_campaign(_campaign_id);
    if _campaign.status <> 'paused' then
        perform sendonce.raise_wrong_state(_campaign, 'resume', 'paused');
    end if;
    update public.campaigns c set status = 'running', paused_at = null, pause_reason = null where c.id = _campaign_id;
    perform sendonce.forgive_failures(_campaign_id);
    perform sendonce.log_event(
        _campaign.organization_id, _campaign_id, _campaign.account_id, 'campaign.resumed', jsonb_build_object('was_paused_for', _campaign.pause_reason)
    );
end;
$$;

comment on function sendonce.resume_campaign(uuid) is 'Called through public.resume_campaign, which documents it.';

create function sendonce.cancel_campaign(_campaign_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign public.campaigns;
begin
    perform sendonce.campaign_for(_campaign_id, 'operator');
    _campaign := sendonce.lock_campaign(_campaign_id);
    if _campaign.status not in ('draft', 'scheduled', 'running', 'paused') then
        perform sendonce.raise_wrong_state(_campaign, 'cancel', 'draft, scheduled, running or paused');
    end if;
    -- The flip is all: sweep_cancelled moves the entries, a bounded number at a time.
    update public.campaigns c
    set status = 'cancelled', cancelled_at = sendonce.now(), paused_at = null, pause_reason = null
    where c.id = _campaign_id;
    perform sendonce.log_event(_campaign.organization_id, _campaign_id, _campaign.account_id, 'campaign.cancelled', '{}');
end;
$$;

comment on function sendonce.cancel_campaign(uuid) is 'Called through public.cancel_campaign, which documents it.';
