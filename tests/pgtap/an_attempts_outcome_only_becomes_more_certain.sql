-- unknown → not_sent, rejected, accepted; not_sent, rejected → accepted; nothing else, the owner included.
begin;
select plan(17);

select core.set_clock();

create function pg_temp.try_change(_from text, _to text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid;
    _entry_id bigint;
begin
    _campaign_id := core.world(2);
    _entry_id := core.entry(_campaign_id, 1);
    perform core.bring(_entry_id, 'dispatched');
    perform core.result(_entry_id, case _from when 'unknown' then 'ambiguous' else _from end, '{"code": "135000"}');
    if (select m.outcome::text from public.messages m where m.entry_id = _entry_id) <> _from then
        raise exception 'the set-up gave another outcome';
    end if;
    update public.messages m
    set outcome = _to::public.message_outcome,
        provider_message_id = case when _to = 'accepted' then core.wamid(_entry_id, 1) when _from = 'accepted' then m.provider_message_id end
    where m.entry_id = _entry_id and m.attempt = 1;
    raise exception using errcode = '00999', message = 'undo';
exception
    when others then
        return case when sqlstate = '00999' then '00000' else sqlstate end;
end;
$$;

select is(
    pg_temp.try_change(f.outcome, t.outcome),
    case
        when f.outcome = t.outcome or f.outcome = 'unknown' or (t.outcome = 'accepted' and f.outcome in ('not_sent', 'rejected')) then '00000'
        else 'SO007'
    end,
    format('from %s to %s', f.outcome, t.outcome)
)
from unnest(enum_range(null::public.message_outcome)::text[]) f (outcome)
cross join unnest(enum_range(null::public.message_outcome)::text[]) t (outcome);

select core.world(1) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'sent');
select throws_ok(
    format('update public.messages set rate = 9, charge_on = %L where entry_id = %s', 'accepted', core.entry(:'campaign')),
    'SO008', null, 'and the rate of an attempt never changes'
);

select * from finish();
rollback;
