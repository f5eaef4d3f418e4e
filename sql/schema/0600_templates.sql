-- What is sent: a provider's approved template, or a text with places for variables.

create table public.templates (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    provider text not null,
    name text not null,
    language text not null default 'en',
    category text not null default 'MARKETING',
    status text not null default 'APPROVED',
    -- Why it is not to be used just now: set by a provider's refusal, cleared by upsert_template.
    stop_reason text,
    stopped_at timestamptz,
    -- Names of the variables in the order in which the provider takes them.
    variables text[] not null default '{}',
    body text,
    created_at timestamptz not null default sendonce.now(),
    updated_at timestamptz not null default sendonce.now(),
    unique (organization_id, provider, name, language),
    constraint template_provider_is_known check (provider in ('whatsapp', 'twilio')),
    constraint template_category_is_known check (category in ('MARKETING', 'UTILITY', 'AUTHENTICATION')),
    constraint template_stop_has_a_reason check ((stopped_at is null) = (stop_reason is null)),
    constraint template_variables_are_named check (array_position(variables, null) is null)
);

comment on table public.templates is 'Templates as the provider knows them. Only an APPROVED one that is not stopped is sent.';

create function sendonce.variable_problem(_expected text[], _given jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
    _missing text;
    _surplus text;
    _wrong text;
begin
    if jsonb_typeof(_given) is distinct from 'object' then
        return 'variables must be an object of names and texts';
    end if;
    -- Nearly always all is well, and a million contacts wait: the words are looked for only where they are needed.
    if _given ?& _expected and _given - _expected = '{}'::jsonb
        and not jsonb_path_exists(_given, 'strict $.* ? (!(@.type() == "string" || @.type() == "number") || @ like_regex "^ *$")')
    then
        return null;
    end if;

    select string_agg(expected.name, ', ') into _missing
    from unnest(_expected) expected(name)
    where not _given ? expected.name;
    if _missing is not null then
        return 'template variable missing: ' || _missing;
    end if;

    select string_agg(surplus.name, ', ') into _surplus
    from jsonb_object_keys(_given) surplus(name)
    where surplus.name <> all (_expected);
    if _surplus is not null then
        return 'the template has no variable named: ' || _surplus;
    end if;

    select string_agg(given.name, ', ') into _wrong
    from jsonb_each(_given) given(name, value)
    where jsonb_typeof(given.value) not in ('string', 'number') or btrim(given.value #>> '{}') = '';
    if _wrong is not null then
        return 'template variable is empty or no text: ' || _wrong;
    end if;
    return null;
end;
$$;

comment on function sendonce.variable_problem(text[], jsonb) is
    'Called for every recipient added. Returns what is wrong with the variables given for a template, null when nothing.';
