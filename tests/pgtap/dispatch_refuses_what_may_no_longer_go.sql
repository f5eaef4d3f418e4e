-- Between claim and dispatch everything may change; begin_dispatch looks again, and moves what it
-- refuses in the same statement: the suppressed to skipped, the rest to ready with a due time.
begin;
select plan(53);

select core.set_clock('2026-03-02 12:00:00+00');

create function pg_temp.refusal(_change text)
returns table (change text, dispatched integer, reason text, told_status text, status text, attempt text, claim_left boolean, due boolean)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.world(1, '{"campaign": {"window_start": "09:00", "window_end": "17:00"}}');
    _entry_id constant bigint := core.entry(_campaign_id);
    _claim_id constant bigint := core.claim(_campaign_id);
    _before constant timestamptz := sendonce.now();
    _answer jsonb;
begin
    case _change
        when 'campaign paused' then perform public.pause_campaign(_campaign_id, 'test');
        when 'campaign cancelled' then perform public.cancel_campaign(_campaign_id);
        when 'outside the sending hours' then
            update public.campaigns set window_start = '13:00' where id = _campaign_id;
        when 'account paused' then perform public.pause_account(core.account_of(_campaign_id), 'test');
        when 'account rests' then
            update public.provider_accounts set resting_until = sendonce.now() + interval '30 seconds', rest_reason = 'test'
            where id = core.account_of(_campaign_id);
        when 'template stopped' then
            update public.templates set stopped_at = sendonce.now(), stop_reason = 'test' where id = core.template_of(_campaign_id);
        when 'template not approved' then
            update public.templates set status = 'PAUSED' where id = core.template_of(_campaign_id);
        when 'suppressed' then
            insert into public.suppressions (organization_id, recipient, scope, reason)
            values (core.organization_of(_campaign_id), core.person(1), 'marketing', 'test');
        when 'nothing' then null;
    end case;
    _answer := core.dispatch(_claim_id);
    return query select
        _change, jsonb_array_length(_answer -> 'dispatched'), _answer #>> '{refused, 0, reason}', _answer #>> '{refused, 0, status}',
        core.state(_entry_id), core.column_of(_entry_id, 'attempt'), exists (select from public.claims k where k.id = _claim_id),
        core.column_of(_entry_id, 'due_at')::timestamptz >= _before;
end;
$$;

create temporary table refused on commit drop as
select r.*
from unnest(array[
    'nothing', 'campaign paused', 'campaign cancelled', 'outside the sending hours', 'account paused', 'account rests', 'template stopped',
    'template not approved', 'suppressed'
]) c (change)
cross join lateral pg_temp.refusal(c.change) r;

select is(dispatched, 1, 'where nothing changed the entry is dispatched') from refused
where change = 'nothing';
select is(status, 'processing', 'and stays in hand') from refused
where change = 'nothing';

select is(dispatched, 0, change || ': not dispatched') from refused
where change <> 'nothing';
select is(
    reason, case change when 'template not approved' then 'template stopped' else change end, change || ': said so'
)
from refused
where change <> 'nothing';
select is(status, case change when 'suppressed' then 'skipped' else 'ready' end, change || ': moved there')
from refused
where change <> 'nothing';
select is(told_status, status, change || ': and told where to') from refused
where change <> 'nothing';
select is(claim_left, false, change || ': the claim that holds nothing any more is closed') from refused
where change <> 'nothing';
select ok(due, change || ': with a due time') from refused
where change not in ('nothing', 'suppressed');

-- Only the one concerned is refused.
select core.world(3) as campaign
\gset
select core.claim(:'campaign') as claim
\gset
insert into suppressions (organization_id, recipient, scope, reason)
values (core.organization_of(:'campaign'), core.person(2), 'all', 'test');
select core.dispatch(:claim) as answer
\gset
select is(
    :'answer'::jsonb -> 'dispatched', jsonb_build_array(core.entry(:'campaign', 1), core.entry(:'campaign', 3)), 'of three the two others go'
);
select is((select dispatched from claims
where id = :claim), array[core.entry(:'campaign', 1), core.entry(:'campaign', 3)], 'and the claim says so');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');
select is(
    core.counter(:'campaign', 'total_skipped'), '1', 'and one is skipped'
);

select * from finish();
rollback;
