-- A result or a report, however late, a report of failure included: the provider has it, so it was sent.
begin;
select plan(110);

select core.set_clock();

create function pg_temp.late_evidence(_state text, _evidence text)
returns table (state text, wamid text, campaign text, differs text, error text, claims bigint, outcome text)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.world(1);
    _entry_id constant bigint := core.entry(_campaign_id);
    _attempt integer;
begin
    perform core.bring(_entry_id, _state);
    _attempt := greatest(core.column_of(_entry_id, 'attempt')::integer, 1);
    if _evidence = 'accepted' then
        perform core.result(_entry_id, 'accepted', '{}', 987654321, _attempt);
    elsif _state in ('ready', 'skipped', 'cancelled') then
        -- Never handed out: only the message id can lead to it, and it has none. A reference to an
        -- attempt that never was is no evidence.
        perform core.result(_entry_id, 'accepted', '{}', 987654321, _attempt);
        perform core.report(_entry_id, _evidence, '{"reference": null}', _attempt);
    else
        perform core.report(_entry_id, _evidence, '{}', _attempt);
    end if;
    return query
    select
        core.state(_entry_id), q.provider_message_id, core.campaign_status(_campaign_id),
        (select string_agg(d, '; ') from core.differences(_campaign_id) d), q.error_class,
        (select count(*) from public.claims k where _entry_id = any (k.dispatched) and not exists (
            select from public.send_queue h where h.id = _entry_id and h.status = 'sent')),
        (select m.outcome::text from public.messages m where m.entry_id = _entry_id and m.attempt = _attempt)
    from public.send_queue q
    where q.id = _entry_id;
end;
$$;

create temporary table evidence on commit drop as
select s.state as before, e.evidence, e.delivery, r.*
from unnest(array[
    'ready', 'processing', 'dispatched', 'unknown', 'returned', 'failed', 'outcome_unknown', 'skipped', 'cancelled', 'sent'
]) s (state)
cross join (
    values ('accepted', null), ('sent', null), ('delivered', 'delivered'), ('read', 'read'), ('failed', 'undelivered')
) e (evidence, delivery)
cross join lateral pg_temp.late_evidence(s.state, e.evidence) r;

select is(state, concat_ws('/', 'sent', delivery), format('%s, then %s', before, evidence)) from evidence;
select is(
    format('%s, error %s, %s', campaign, error, outcome), format('%s, error , accepted', case before when 'cancelled' then 'cancelled' else 'completed' end),
    format('%s, then %s: campaign, reason and attempt', before, evidence)
)
from evidence;
select is(differs, null, format('%s: the numbers are the rows, whatever the evidence', before))
from (select e.before, string_agg(e.differs, '; ') as differs from evidence e
group by e.before) d;

select * from finish();
rollback;
