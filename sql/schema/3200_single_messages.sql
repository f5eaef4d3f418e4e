-- Messages that belong to no campaign: a receipt, a code, an answer. One call, one message, and the same
-- call again is the same message.

create function sendonce.raise_other_body(_idempotency_key text, _entry_id bigint)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO030',
        message = 'this idempotency key was used for another message',
        detail = format('Key "%s" belongs to entry %s, whose account, template, recipient or variables differ.', _idempotency_key, _entry_id),
        hint = 'Repeat a call unchanged, or use a fresh key for a fresh message.';
end;
$$;

comment on function sendonce.raise_other_body(text, bigint) is 'Called by send_message when a key comes with another body. Always raises SO030.';

create function sendonce.send_message(
    _organization_id uuid, _account_id uuid, _template_id uuid, _recipient text, _variables jsonb default '{}',
    _idempotency_key text default null
)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _account public.provider_accounts;
    _template public.templates;
    _given constant jsonb := coalesce(_variables, '{}');
    _problem text;
    _suppressed boolean;
    _entry public.send_queue;
begin
    perform sendonce.require_role(_organization_id, 'operator');
    if _idempotency_key is not null and (btrim(_idempotency_key) = '' or length(_idempotency_key) > 255) then
        perform sendonce.raise_invalid(
            'an idempotency key has 1 to 255 characters', format('Got %s.', length(_idempotency_key)),
            'Use the id of the order, code or request that this message is about, or null for none.'
        );
    end if;

    -- Before anything is judged: what was accepted once is answered as it was, whatever has changed since.
    select q.* into _entry
    from public.send_queue q
    where q.organization_id = _organization_id and q.idempotency_key = _idempotency_key;
    if not found then
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
        _problem := coalesce(sendonce.recipient_problem(_recipient), sendonce.variable_problem(_template.variables, _given));
        if _problem is not null then
            perform sendonce.raise_invalid('the message cannot be sent as it is', _problem, 'A single message is refused as a whole; nothing was queued.');
        end if;

        _suppressed := exists (
            select
            from public.suppressions s
            where s.organization_id = _organization_id
                and s.recipient = _recipient
                and s.scope = any (sendonce.scopes_covering(_template.category))
        );
        insert into public.send_queue (
            organization_id, account_id, template_id, recipient, variables, idempotency_key, status, due_at, error_class, settled_at
        )
        values (
            _organization_id, _account_id, _template_id, _recipient, _given, _idempotency_key,
            case when _suppressed then 'skipped'::public.entry_status else 'ready' end,
            case when not _suppressed then sendonce.now() end,
            case when _suppressed then 'suppressed' end,
            case when _suppressed then sendonce.now() end
        )
        on conflict (organization_id, idempotency_key) where idempotency_key is not null do nothing
        returning * into _entry;
        if found then
            return jsonb_build_object('entry_id', _entry.id, 'status', _entry.status, 'repeated', false);
        end if;

        -- Another session used the key at the same instant; it has committed, or we would still wait.
        select q.* into strict _entry
        from public.send_queue q
        where q.organization_id = _organization_id and q.idempotency_key = _idempotency_key;
    end if;

    if (_entry.account_id, _entry.template_id, _entry.recipient, _entry.variables)
        is distinct from (_account_id, _template_id, _recipient, _given)
    then
        perform sendonce.raise_other_body(_idempotency_key, _entry.id);
    end if;
    return jsonb_build_object('entry_id', _entry.id, 'status', _entry.status, 'repeated', true);
end;
$$;

comment on function sendonce.send_message(uuid, uuid, uuid, text, jsonb, text) is 'Called through public.send_message, which documents it.';
