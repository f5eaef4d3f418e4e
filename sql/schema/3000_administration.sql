-- Organizations, members, accounts and templates, as the dashboard sets them up.

create function sendonce.create_organization(_name text)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _organization_id uuid;
    _user_id constant uuid := sendonce.caller_user_id();
begin
    if coalesce(btrim(_name), '') = '' then
        perform sendonce.raise_invalid('an organization needs a name', '_name is empty.', 'Pass a name.');
    end if;
    if not sendonce.caller_is_operator_of_all() and _user_id is null then
        perform sendonce.require_role(null, 'admin');
    end if;
    insert into public.organizations (name) values (_name) returning id into _organization_id;
    -- Who founds it administers it.
    if not sendonce.caller_is_operator_of_all() then
        insert into public.organization_members (organization_id, user_id, role) values (_organization_id, _user_id, 'admin');
    end if;
    perform sendonce.log_event(_organization_id, null, null, 'organization.created', jsonb_build_object('name', _name));
    return _organization_id;
end;
$$;

comment on function sendonce.create_organization(text) is 'Called through public.create_organization, which documents it.';

create function sendonce.set_member(_organization_id uuid, _user_id uuid, _role public.member_role default null)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform sendonce.require_role(_organization_id, 'admin');
    perform from public.organizations o where o.id = _organization_id for no key update;
    if not found then
        perform sendonce.raise_not_found('organization', _organization_id::text);
    end if;
    if _role is null then
        delete from public.organization_members m where m.organization_id = _organization_id and m.user_id = _user_id;
    else
        insert into public.organization_members (organization_id, user_id, role)
        values (_organization_id, _user_id, _role)
        on conflict (organization_id, user_id) do update set role = excluded.role;
    end if;
    if not sendonce.caller_is_operator_of_all()
        and not exists (select from public.organization_members m where m.organization_id = _organization_id and m.role = 'admin')
    then
        perform sendonce.raise_invalid('an organization keeps at least one admin', 'This would take the last one.', 'Make somebody else admin first.');
    end if;
    perform sendonce.log_event(_organization_id, null, null, 'member.set', jsonb_build_object('user_id', _user_id, 'role', _role));
end;
$$;

comment on function sendonce.set_member(uuid, uuid, public.member_role) is 'Called through public.set_member, which documents it.';

create function sendonce.refuse_unknown_options(_options jsonb, _known text[])
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
    _unknown text;
begin
    if jsonb_typeof(_options) is distinct from 'object' then
        perform sendonce.raise_invalid('options must be a JSON object', format('Got %s.', coalesce(jsonb_typeof(_options), 'null')), 'Pass {} for none.');
    end if;
    select string_agg(k.name, ', ' order by k.name) into _unknown
    from jsonb_object_keys(_options) k(name)
    where k.name <> all (_known);
    if _unknown is not null then
        perform sendonce.raise_invalid('unknown option: ' || _unknown, 'An option that is not understood is refused rather than ignored.', 'Known: ' || array_to_string(_known, ', ') || '.');
    end if;
end;
$$;

comment on function sendonce.refuse_unknown_options(jsonb, text[]) is 'Called by functions that take options. Raises SO005 for a key that is not known.';

create function sendonce.upsert_account(
    _organization_id uuid, _provider text, _sender text, _name text, _options jsonb default '{}'
)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _account_id uuid;
    _account public.provider_accounts;
    _group_id uuid;
    _group_name text;
begin
    perform sendonce.require_role(_organization_id, 'admin');
    perform sendonce.refuse_unknown_options(
        _options,
        array['app', 'currency', 'maximum_rate', 'lease', 'longest_claim', 'unknown_window', 'on_unknown', 'limit_group', 'daily_recipients']
    );
    if coalesce(btrim(_sender), '') = '' or coalesce(btrim(_name), '') = '' then
        perform sendonce.raise_invalid('an account needs a sender and a name', format('_sender "%s", _name "%s".', _sender, _name), 'The sender is the WhatsApp phone number id or the Twilio number.');
    end if;

    _group_name := _options ->> 'limit_group';
    if _options ? 'daily_recipients' and not _options ? 'limit_group' then
        select g.name into _group_name
        from public.provider_accounts a
        join public.limit_groups g on g.id = a.limit_group_id
        where a.provider = _provider and a.sender = _sender and a.organization_id = _organization_id;
    end if;
    if _options ? 'daily_recipients' and _group_name is null then
        perform sendonce.raise_invalid('daily_recipients is the cap of a limit group', 'The account belongs to none.', 'Name limit_group with it.');
    end if;
    if _group_name is not null then
        insert into public.limit_groups (organization_id, name, daily_recipients)
        values (_organization_id, _group_name, (_options ->> 'daily_recipients')::integer)
        on conflict (organization_id, name) do update
        set daily_recipients = case when _options ? 'daily_recipients' then excluded.daily_recipients else public.limit_groups.daily_recipients end
        returning id into _group_id;
    end if;

    select a.* into _account from public.provider_accounts a where a.provider = _provider and a.sender = _sender for no key update;
    if found and _account.organization_id <> _organization_id then
        perform sendonce.raise_invalid('this sender belongs to another organization', format('Sender %s of %s.', _sender, _provider), 'One sender identity has one owner; move it there first.');
    end if;
    if not found then
        insert into public.provider_accounts (organization_id, provider, sender, name)
        values (_organization_id, _provider, _sender, _name)
        returning * into _account;
    end if;
    _account_id := _account.id;

    update public.provider_accounts a
    set name = _name,
        app = coalesce(_options ->> 'app', a.app),
        currency = coalesce(_options ->> 'currency', a.currency),
        -- Null in the options means "no limit", its absence "as it was".
        maximum_rate = case when _options ? 'maximum_rate' then (_options ->> 'maximum_rate')::numeric else a.maximum_rate end,
        current_rate = case when _options ? 'maximum_rate' then (_options ->> 'maximum_rate')::numeric else a.current_rate end,
        lease = coalesce((_options ->> 'lease')::interval, a.lease),
        longest_claim = coalesce((_options ->> 'longest_claim')::interval, a.longest_claim),
        unknown_window = coalesce((_options ->> 'unknown_window')::interval, a.unknown_window),
        on_unknown = coalesce((_options ->> 'on_unknown')::public.account_unknown_policy, a.on_unknown),
        limit_group_id = case when _options ? 'limit_group' then _group_id else a.limit_group_id end
    where a.id = _account_id;
    perform sendonce.log_event(_organization_id, null, _account_id, 'account.set', _options);
    return _account_id;
exception
    when data_exception or check_violation or unique_violation then
        perform sendonce.raise_invalid(
            'the account cannot be set up like this', sqlerrm || '.',
            'Provider: whatsapp or twilio; maximum_rate: messages a second above 0, or null; lease, longest_claim, unknown_window: intervals; '
            'on_unknown: fail or hold; name and sender: each once.'
        );
        return null;
end;
$$;

comment on function sendonce.upsert_account(uuid, text, text, text, jsonb) is 'Called through public.upsert_account, which documents it.';

create function sendonce.account_for_operator(_account_id uuid)
returns public.provider_accounts
language plpgsql
volatile
set search_path = ''
as $$
declare
    _account public.provider_accounts;
begin
    select a.* into _account from public.provider_accounts a where a.id = _account_id;
    perform sendonce.require_role(_account.organization_id, 'operator');
    if _account.id is null then
        perform sendonce.raise_not_found('account', _account_id::text);
    end if;
    select a.* into _account from public.provider_accounts a where a.id = _account_id for no key update;
    return _account;
end;
$$;

comment on function sendonce.account_for_operator(uuid) is
    'Called by functions that act on an account. Locks and returns it. Raises SO003 when the caller is no operator there, SO004 when it does not exist.';

create function sendonce.pause_account(_account_id uuid, _reason text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _account constant public.provider_accounts := sendonce.account_for_operator(_account_id);
begin
    if coalesce(btrim(_reason), '') = '' then
        perform sendonce.raise_invalid('a pause needs a reason', '_reason is empty.', 'Say why: whoever is on duty reads it.');
    end if;
    update public.provider_accounts
    set paused_at = coalesce(paused_at, sendonce.now()), pause_reason = _reason
    where id = _account_id;
    perform sendonce.log_event(_account.organization_id, null, _account_id, 'account.paused', jsonb_build_object('reason', _reason));
end;
$$;

comment on function sendonce.pause_account(uuid, text) is 'Called through public.pause_account, which documents it.';

create function sendonce.resume_account(_account_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _account constant public.provider_accounts := sendonce.account_for_operator(_account_id);
begin
    update public.provider_accounts
    set paused_at = null, pause_reason = null, unsure_in_a_row = 0, rests_in_a_row = 0, resting_until = null, rest_reason = null
    where id = _account_id;
    perform sendonce.log_event(
        _account.organization_id, null, _account_id, 'account.resumed', jsonb_build_object('was_paused_for', _account.pause_reason)
    );
end;
$$;

comment on function sendonce.resume_account(uuid) is 'Called through public.resume_account, which documents it.';

create function sendonce.detect_template_category_change(_before public.templates, _category text)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
begin
    if _before.category = _category then
        return false;
    end if;
    -- It changes the price of every message to come, so somebody should see it.
    perform sendonce.log_event(
        _before.organization_id, null, null, 'template.category_changed',
        jsonb_build_object('template_id', _before.id, 'name', _before.name, 'before', _before.category, 'after', _category)
    );
    return true;
end;
$$;

comment on function sendonce.detect_template_category_change(public.templates, text) is
    'Called by upsert_template. Returns true and logs an event when the category of a template changes.';

create function sendonce.upsert_template(
    _organization_id uuid, _provider text, _name text, _language text default 'en', _options jsonb default '{}'
)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _template public.templates;
    _category constant text := upper(coalesce(_options ->> 'category', ''));
begin
    perform sendonce.require_role(_organization_id, 'operator');
    perform sendonce.refuse_unknown_options(_options, array['category', 'status', 'variables', 'body']);
    if coalesce(btrim(_name), '') = '' then
        perform sendonce.raise_invalid('a template needs a name', '_name is empty.', 'Use the name under which the provider approved it.');
    end if;
    if jsonb_typeof(coalesce(_options -> 'variables', '[]')) <> 'array' then
        perform sendonce.raise_invalid('variables must be an array of names', format('Got %s.', _options -> 'variables'), 'Such as ["first_name", "code"], in the provider''s order.');
    end if;

    select t.* into _template
    from public.templates t
    where t.organization_id = _organization_id and t.provider = _provider and t.name = _name and t.language = _language
    for no key update;
    if not found then
        insert into public.templates (organization_id, provider, name, language, category)
        values (_organization_id, _provider, _name, _language, coalesce(nullif(_category, ''), 'MARKETING'))
        returning * into _template;
    elsif _category <> '' then
        perform sendonce.detect_template_category_change(_template, _category);
    end if;

    update public.templates t
    set category = coalesce(nullif(_category, ''), t.category),
        status = upper(coalesce(_options ->> 'status', t.status)),
        variables = case
            when _options ? 'variables' then array(select v.value from jsonb_array_elements_text(_options -> 'variables') v)
            else t.variables
        end,
        body = case when _options ? 'body' then _options ->> 'body' else t.body end,
        -- Set again by a person, it may be tried again.
        stopped_at = null,
        stop_reason = null,
        updated_at = sendonce.now()
    where t.id = _template.id;
    return _template.id;
exception
    when data_exception or check_violation or unique_violation then
        perform sendonce.raise_invalid(
            'the template cannot be set up like this', sqlerrm || '.',
            'Provider: whatsapp or twilio; category: MARKETING, UTILITY or AUTHENTICATION; variables: names, each once.'
        );
        return null;
end;
$$;

comment on function sendonce.upsert_template(uuid, text, text, text, jsonb) is 'Called through public.upsert_template, which documents it.';

create function sendonce.set_provider_error(_provider text, _code text, _class text)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _before text;
begin
    -- The table is everybody's, so it is the operator of all who edits it.
    if not sendonce.caller_is_operator_of_all() then
        perform sendonce.require_role(null, 'admin');
    end if;
    if not exists (select from public.provider_statuses s where s.provider = _provider) then
        perform sendonce.raise_invalid('no such provider', format('Got "%s".', coalesce(_provider, 'null')), 'whatsapp or twilio.');
    end if;
    if coalesce(_code, '') !~ '^[A-Za-z0-9_]{1,50}$' then
        perform sendonce.raise_invalid('this is no error code', format('Got "%s".', coalesce(_code, 'null')), 'The code as the provider writes it, such as 131026; http_429 for HTTP 429 without one.');
    end if;
    if _class in ('unlisted', 'outcome_unknown', 'claim_lost')
        or (_class is not null and not exists (select from public.error_classes c where c.class = _class))
    then
        perform sendonce.raise_invalid('no code has this class', format('Got "%s".', _class), 'error_classes says what each class does; null takes the code off the list.');
    end if;

    select e.class into _before from public.provider_errors e where e.provider = _provider and e.code = _code;
    if _class is null then
        delete from public.provider_errors e where e.provider = _provider and e.code = _code;
    else
        insert into public.provider_errors (provider, code, class)
        values (_provider, _code, _class)
        on conflict (provider, code) do update set class = excluded.class;
    end if;
    if _before is distinct from _class then
        perform sendonce.log_event(
            a.organization_id, null, null, 'provider_error.set',
            jsonb_build_object('provider', _provider, 'code', _code, 'before', _before, 'class', _class)
        )
        from (select distinct p.organization_id from public.provider_accounts p where p.provider = _provider) a;
    end if;
end;
$$;

comment on function sendonce.set_provider_error(text, text, text) is 'Called through public.set_provider_error, which documents it.';
