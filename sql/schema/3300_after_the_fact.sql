-- What a person decides afterwards: send the same again as a new campaign, try failed contacts once more,
-- settle what nobody knows, and say who is not to be written to.
--
-- All of these touch messages that may have gone out. The rule behind each: what may have reached somebody
-- is sent again only when a person says so for exactly these contacts.

-- Entries with a story to tell: failed, skipped, retried, undelivered. The way from ready over processing to
-- sent, delivered and read changes neither column, so those updates stay as cheap as without this index.
create index idx_send_queue_trouble on public.send_queue (campaign_id, id)
    where error_class is not null or delivery_error_code is not null;

create function sendonce.clone_recipients(
    _campaign_id uuid, _recipients text, _after bigint default 0, _limit integer default 20000
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
    _campaign public.campaigns;
    _source public.campaigns;
    _account public.provider_accounts;
    _template public.templates;
    _now constant timestamptz := sendonce.now();
    _scopes text[];
    _picked bigint[];
    _last bigint;
    _examined integer;
    _counts jsonb;
    _cost numeric;
begin
    _campaign := sendonce.campaign_for(_campaign_id, 'operator');
    if _recipients is null or _recipients not in ('unsent', 'all') then
        perform sendonce.raise_invalid(
            'recipients to clone are "unsent" or "all"', format('Got %s.', coalesce(_recipients, 'null')), 'See clone_campaign.'
        );
    end if;
    if _limit is null or _limit not between 1 and 50000 then
        perform sendonce.raise_invalid(
            'a step clones between 1 and 50,000 recipients', format('_limit is %s.', coalesce(_limit::text, 'null')),
            'Call it again with the "after" it returned, until "more" is false.'
        );
    end if;
    if _campaign.cloned_from is null then
        perform sendonce.raise_invalid(
            'this campaign is no clone', format('Campaign %s "%s".', _campaign_id, _campaign.name), 'clone_campaign makes one.'
        );
    end if;
    -- The same lock and the same rule as add_recipients: recipients are frozen at start.
    _campaign := sendonce.lock_campaign(_campaign_id);
    if _campaign.status not in ('draft', 'scheduled') then
        perform sendonce.raise_wrong_state(_campaign, 'add recipients to', 'draft or scheduled');
    end if;
    select c.* into _source from public.campaigns c where c.id = _campaign.cloned_from;
    select a.* into _account from public.provider_accounts a where a.id = _campaign.account_id;
    select t.* into _template from public.templates t where t.id = _campaign.template_id;
    _scopes := sendonce.scopes_covering(_template.category);

    if _recipients = 'all' then
        _picked := array(
            select q.id from public.send_queue q
            where q.campaign_id = _source.id and q.id > _after
            order by q.id
            limit _limit
        );
    elsif _source.status = 'cancelled' then
        -- Its ready entries go nowhere any more, swept or not yet.
        _picked := array(
            select q.id from public.send_queue q
            where q.campaign_id = _source.id and q.id > _after and q.status <> 'sent'
            order by q.id
            limit _limit
        );
    else
        -- Elsewhere ready entries will still go out: only what has ended otherwise is unsent.
        _picked := array(
            select q.id from public.send_queue q
            where q.campaign_id = _source.id and q.id > _after and q.error_class is not null
            order by q.id
            limit _limit
        );
    end if;
    _examined := cardinality(_picked);
    _last := coalesce(_picked[_examined], _after);

    with picked as materialized (
        select q.recipient, q.variables, sendonce.variable_problem(_template.variables, q.variables) is not null as unfit
        from public.send_queue q
        where q.id = any (_picked)
            and (
                _recipients = 'all'
                or (
                    (q.status in ('failed', 'skipped', 'cancelled') or (q.status = 'ready' and _source.status = 'cancelled'))
                    -- Whatever became of the entry later, an attempt that may have gone out counts as gone out.
                    and not exists (select from public.messages m where m.entry_id = q.id and m.outcome in ('unknown', 'accepted'))
                )
            )
    ),
    added as (
        insert into public.send_queue (organization_id, account_id, campaign_id, recipient, variables, status, error_class, settled_at)
        select
            _campaign.organization_id, _campaign.account_id, _campaign_id, p.recipient, p.variables,
            case when s.recipient is null then 'ready'::public.entry_status else 'skipped' end,
            case when s.recipient is not null then 'suppressed' end,
            case when s.recipient is not null then _now end
        from picked p
        left join public.suppressions s
            on s.organization_id = _campaign.organization_id and s.recipient = p.recipient
            and s.scope = any (_scopes)
        where not p.unfit
        order by p.recipient
        on conflict (campaign_id, recipient) where campaign_id is not null do nothing
        returning recipient, status, units
    )
    select
        jsonb_build_object(
            'added', (select count(*) from added),
            'suppressed', (select count(*) from added a where a.status = 'skipped'),
            -- The template has got other variables since.
            'rejected', (select count(*) from picked p where p.unfit)
        ),
        (
            select sum(price.rate * priced.units[price.place])
            from (
                select array_agg(a.recipient) as recipients, array_agg(a.units) as units, array_agg(_now) as at
                from added a
                where a.status = 'ready'
            ) priced
            cross join lateral sendonce.price_recipients(
                _campaign.organization_id, _account.provider, _template.category, _campaign.currency, priced.recipients, priced.at
            ) price
        )
    into _counts, _cost;

    if _cost > 0 then
        update public.campaigns c set estimated_cost = c.estimated_cost + _cost where c.id = _campaign_id;
    end if;
    return _counts || jsonb_build_object('after', _last, 'more', _examined >= _limit);
end;
$$;

comment on function sendonce.clone_recipients(uuid, text, bigint, integer) is 'Called through public.clone_recipients, which documents it, and by clone_campaign.';

create function sendonce.clone_campaign(_campaign_id uuid, _recipients text default 'none')
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _source public.campaigns;
    _clone_id uuid;
    _step jsonb := jsonb_build_object('added', 0, 'suppressed', 0, 'rejected', 0, 'after', 0, 'more', false);
begin
    _source := sendonce.campaign_for(_campaign_id, 'operator');
    if _recipients is null or _recipients not in ('none', 'unsent', 'all') then
        perform sendonce.raise_invalid(
            'recipients to clone are "none", "unsent" or "all"', format('Got %s.', coalesce(_recipients, 'null')),
            'Unsent are those who ended without a message and cannot have got one.'
        );
    end if;

    -- The account's currency of today: the source's may be one that it no longer uses.
    insert into public.campaigns (
        organization_id, account_id, template_id, name, currency, priority, window_start, window_end, window_time_zone,
        maximum_failure_rate, cloned_from
    )
    select
        _source.organization_id, _source.account_id, _source.template_id, _source.name || ' (copy)', a.currency, _source.priority,
        _source.window_start, _source.window_end, _source.window_time_zone, _source.maximum_failure_rate, _source.id
    from public.provider_accounts a
    where a.id = _source.account_id
    returning id into _clone_id;

    if _recipients <> 'none' then
        -- The first step only, so that the time is bounded whatever the size.
        _step := sendonce.clone_recipients(_clone_id, _recipients);
    end if;
    perform sendonce.log_event(
        _source.organization_id, _clone_id, _source.account_id, 'campaign.created',
        jsonb_build_object('name', _source.name || ' (copy)', 'cloned_from', _source.id, 'recipients', _recipients)
    );
    return jsonb_build_object('campaign_id', _clone_id) || _step;
end;
$$;

comment on function sendonce.clone_campaign(uuid, text) is 'Called through public.clone_campaign, which documents it.';

create function sendonce.retry_failed(_campaign_id uuid, _classes text[] default null, _limit integer default 10000)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
-- By the index of the entries in trouble, whatever the statistics say.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    _campaign public.campaigns;
    _unlisted text;
    _picked bigint[];
    _moved integer := 0;
begin
    _campaign := sendonce.campaign_for(_campaign_id, 'operator');
    if _limit is null or _limit not between 1 and 50000 then
        perform sendonce.raise_invalid(
            'a step retries between 1 and 50,000 entries', format('_limit is %s.', coalesce(_limit::text, 'null')),
            'Call it again until "more" is false.'
        );
    end if;
    if _classes is not null then
        select string_agg(coalesce(given.class, 'null'), ', ') into _unlisted
        from unnest(_classes) given(class)
        where not exists (select from public.error_classes e where e.class = given.class);
        if _unlisted is not null or cardinality(_classes) = 0 then
            perform sendonce.raise_invalid(
                'no such class of error: ' || coalesce(_unlisted, '(none was named)'),
                'A class that does not exist would retry nothing, silently.',
                'failure_breakdown lists the classes of this campaign; null retries all but outcome_unknown.'
            );
        end if;
    end if;
    if _campaign.status not in ('running', 'paused', 'completed') then
        perform sendonce.raise_wrong_state(_campaign, 'retry', 'running, paused or completed; clone_campaign sends to the unsent of a cancelled one');
    end if;

    -- The entries first, the campaign by the counting trigger after them: the order of everybody who moves entries.
    _picked := array(
        select q.id
        from public.send_queue q
        where q.campaign_id = _campaign_id
            and q.error_class is not null
            and q.status = 'failed'
            -- What may have gone out is sent again only where a person asked for just that.
            and (case when _classes is null then q.error_class <> 'outcome_unknown' else q.error_class = any (_classes) end)
        order by q.id
        limit _limit + 1
    );
    if cardinality(_picked) > 0 then
        perform from public.send_queue q where q.id = any (_picked[:_limit]) order by q.id for no key update;
        -- Judged again under the lock; the attempts keep why they failed.
        update public.send_queue q
        set status = 'ready', tries = 0, lost_claims = 0, error_class = null, error_code = null, error_message = null
        where q.id = any (_picked[:_limit])
            and q.status = 'failed'
            and (case when _classes is null then q.error_class <> 'outcome_unknown' else q.error_class = any (_classes) end);
        get diagnostics _moved = row_count;
        -- The counting trigger holds the campaign now. Cancelled meanwhile, nothing of this may stay.
        select c.* into _campaign from public.campaigns c where c.id = _campaign_id;
        if _campaign.status = 'cancelled' then
            perform sendonce.raise_wrong_state(_campaign, 'retry', 'running, paused or completed');
        end if;
    end if;
    if _moved > 0 then
        perform sendonce.forgive_failures(_campaign_id);
        perform sendonce.log_event(
            _campaign.organization_id, _campaign_id, _campaign.account_id, 'campaign.retried',
            jsonb_build_object('moved', _moved, 'classes', to_jsonb(_classes))
        );
    end if;
    return jsonb_build_object('moved', _moved, 'more', cardinality(_picked) > _limit);
end;
$$;

comment on function sendonce.retry_failed(uuid, text[], integer) is 'Called through public.retry_failed, which documents it.';

create function sendonce.resolve_unknown(_entry_id bigint, _decision text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _entry public.send_queue;
    _campaign public.campaigns;
begin
    select q.* into _entry from public.send_queue q where q.id = _entry_id;
    perform sendonce.require_role(_entry.organization_id, 'operator');
    if _entry.id is null then
        perform sendonce.raise_not_found('entry', _entry_id::text);
    end if;
    -- Nobody can decide that it was sent: that takes the provider's message id, and so its own word.
    if _decision is null or _decision not in ('retry', 'fail') then
        perform sendonce.raise_invalid(
            'a decision is "retry" or "fail"', format('Got %s.', coalesce(_decision, 'null')),
            'retry may send a second message to somebody who got the first; fail lists the entry as outcome_unknown.'
        );
    end if;

    select q.* into _entry from public.send_queue q where q.id = _entry_id for no key update;
    if _entry.status <> 'unknown' then
        raise exception using
            errcode = 'SO006',
            message = format('cannot resolve an entry that is %s', _entry.status),
            detail = format('Entry %s is %s: its outcome has become known, or somebody was faster.', _entry_id, _entry.status),
            hint = 'Look at it again; retry_failed sends a failed one once more.';
    end if;

    update public.send_queue q
    set status = case when _decision = 'retry' then 'ready'::public.entry_status else 'failed' end,
        tries = 0,
        lost_claims = 0,
        error_class = case when _decision = 'fail' then 'outcome_unknown' end,
        error_code = case when _decision = 'fail' then q.error_code end,
        error_message = case when _decision = 'fail' then q.error_message end
    where q.id = _entry_id
    returning * into _entry;
    -- The counting trigger holds the campaign now: what it says cannot change before we commit.
    select c.* into _campaign from public.campaigns c where c.id = _entry.campaign_id;
    if _decision = 'retry' and _campaign.status = 'cancelled' then
        perform sendonce.raise_wrong_state(_campaign, 'send again an entry of', 'running or paused; decide "fail"');
    end if;

    perform sendonce.log_event(
        _entry.organization_id, _entry.campaign_id, _entry.account_id, 'entry.resolved',
        jsonb_build_object('entry_id', _entry_id, 'attempt', _entry.attempt, 'decision', _decision)
    );
    return jsonb_build_object('entry_id', _entry_id, 'status', _entry.status);
end;
$$;

comment on function sendonce.resolve_unknown(bigint, text) is 'Called through public.resolve_unknown, which documents it.';

create function sendonce.check_suppression(_organization_id uuid, _scope text, _reason text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    perform sendonce.require_role(_organization_id, 'operator');
    if not exists (select from public.organizations o where o.id = _organization_id) then
        perform sendonce.raise_not_found('organization', _organization_id::text);
    end if;
    if _scope is null or _scope not in ('marketing', 'all') then
        perform sendonce.raise_invalid('a scope is "marketing" or "all"', format('Got %s.', coalesce(_scope, 'null')), 'all withholds codes and receipts too.');
    end if;
    if coalesce(btrim(_reason), '') = '' then
        perform sendonce.raise_invalid('a suppression needs a reason', '_reason is empty.', 'Say how it was asked for.');
    end if;
end;
$$;

comment on function sendonce.check_suppression(uuid, text, text) is
    'Called first by suppress and suppress_recipients. Returns nothing. Raises SO003 when the caller is no operator there, SO004 without the organization, SO005 for another scope or without a reason.';

create function sendonce.suppress(_organization_id uuid, _recipient text, _scope text, _reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform sendonce.check_suppression(_organization_id, _scope, _reason);
    if sendonce.recipient_problem(_recipient) is not null then
        perform sendonce.raise_invalid('this recipient cannot be suppressed', format('"%s" is %s.', coalesce(_recipient, ''), sendonce.recipient_problem(_recipient)), 'Such as +4915550001234.');
    end if;

    insert into public.suppressions (organization_id, recipient, scope, reason)
    values (_organization_id, _recipient, _scope, _reason)
    -- Never withholds less than before: that is unsuppress's business.
    on conflict (organization_id, recipient) do update
    set scope = case when public.suppressions.scope = 'all' then 'all' else excluded.scope end,
        reason = excluded.reason;
    perform sendonce.log_event(
        _organization_id, null, null, 'recipient.suppressed',
        jsonb_build_object('recipient', _recipient, 'scope', _scope, 'reason', _reason)
    );
end;
$$;

comment on function sendonce.suppress(uuid, text, text, text) is 'Called through public.suppress, which documents it.';

create function sendonce.suppress_recipients(_organization_id uuid, _recipients jsonb, _scope text, _reason text)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _rows integer;
    _rejected jsonb;
    _added integer;
    _already integer;
begin
    perform sendonce.check_suppression(_organization_id, _scope, _reason);
    if jsonb_typeof(_recipients) is distinct from 'array' then
        perform sendonce.raise_invalid('recipients must be a JSON array', format('Got %s.', coalesce(jsonb_typeof(_recipients), 'null')), 'Pass [{"recipient": "+4915550001"}].');
    end if;
    _rows := jsonb_array_length(_recipients);
    if _rows > 20000 then
        perform sendonce.raise_invalid('a chunk takes at most 20,000 recipients', format('Got %s.', _rows), 'Send several chunks: the same one again changes nothing.');
    end if;

    with given as materialized (
        select
            coalesce(case when r.value ->> 'row' ~ '^[0-9]{1,9}$' then (r.value ->> 'row')::integer end, r.ordinality::integer) as row_number,
            case when jsonb_typeof(r.value) = 'object' then r.value ->> 'recipient' else r.value #>> '{}' end as recipient
        from jsonb_array_elements(_recipients) with ordinality r
    ),
    judged as materialized (
        select g.row_number, g.recipient, sendonce.recipient_problem(g.recipient) as problem
        from given g
    ),
    added as (
        insert into public.suppressions (organization_id, recipient, scope, reason)
        select distinct _organization_id, j.recipient, _scope, _reason
        from judged j
        where j.problem is null
        -- In recipient order, or two lists that overlap would wait for each other.
        order by j.recipient
        on conflict (organization_id, recipient) do update
        set scope = excluded.scope, reason = excluded.reason
        -- Never withholds less than before: that is unsuppress's business.
        where public.suppressions.scope = 'marketing' and excluded.scope = 'all'
        returning recipient
    )
    select
        coalesce(
            jsonb_agg(jsonb_build_object('row', j.row_number, 'recipient', j.recipient, 'reason', j.problem) order by j.row_number)
                filter (where j.problem is not null),
            '[]'
        ),
        (select count(*)::integer from added)
    into _rejected, _added
    from judged j;

    _already := _rows - _added - jsonb_array_length(_rejected);
    perform sendonce.log_event(
        _organization_id, null, null, 'recipients.suppressed',
        jsonb_build_object(
            'added', _added, 'already', _already, 'rejected', jsonb_array_length(_rejected), 'scope', _scope, 'reason', _reason
        )
    );
    return jsonb_build_object('added', _added, 'already', _already, 'rejected', _rejected);
end;
$$;

comment on function sendonce.suppress_recipients(uuid, jsonb, text, text) is 'Called through public.suppress_recipients, which documents it.';

create function sendonce.unsuppress(_organization_id uuid, _recipient text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _suppression public.suppressions;
begin
    perform sendonce.require_role(_organization_id, 'admin');
    delete from public.suppressions s
    where s.organization_id = _organization_id and s.recipient = _recipient
    returning * into _suppression;
    if not found then
        perform sendonce.raise_not_found('suppression', _recipient);
    end if;
    perform sendonce.log_event(
        _organization_id, null, null, 'recipient.unsuppressed',
        jsonb_build_object('recipient', _recipient, 'scope', _suppression.scope, 'reason', _suppression.reason, 'by', _suppression.created_by)
    );
end;
$$;

comment on function sendonce.unsuppress(uuid, text) is 'Called through public.unsuppress, which documents it.';
