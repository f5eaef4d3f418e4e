-- A late "not sent" or retryable rejection of its current attempt returns an unknown entry; a definite
-- failure fails it; nothing of the kind moves what is settled.
begin;
select plan(27);

select core.set_clock();

create function pg_temp.late(_state text, _outcome text, _code text, _attempt integer default null)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.world(2);
    _entry_id constant bigint := core.entry(_campaign_id);
    _differs text;
begin
    perform core.bring(_entry_id, _state);
    perform core.result(
        _entry_id, _outcome, jsonb_build_object('code', _code), 987654321, coalesce(_attempt, core.column_of(_entry_id, 'attempt')::integer)
    );
    select string_agg(d, '; ') into _differs from core.differences(_campaign_id) d;
    return concat_ws(' ', core.state(_entry_id), core.column_of(_entry_id, 'error_class'), _differs);
end;
$$;

select is(pg_temp.late('unknown', 'not_sent', null), 'ready not_sent', 'unknown, then not sent: ready');
select is(pg_temp.late('unknown', 'rejected', '131016'), 'ready transient', 'unknown, then a passing fault: ready');
select is(pg_temp.late('unknown', 'rejected', '135000'), 'failed content', 'unknown, then refused: failed');
select is(pg_temp.late('unknown', 'ambiguous', null), 'unknown ambiguous', 'unknown, then ambiguous: unknown');
select is(pg_temp.late('unknown', 'rejected', '131016', 7), 'unknown ambiguous', 'unknown, then news of an attempt that never was: unknown');
select is(pg_temp.late('unknown', 'not_sent', null, 0), 'unknown ambiguous', 'unknown, then news of attempt 0: unknown');

select is(pg_temp.late('outcome_unknown', 'not_sent', null), 'failed outcome_unknown', 'given up, then not sent: stays failed, for a person to retry');
select is(pg_temp.late('outcome_unknown', 'rejected', '135000'), 'failed content', 'given up, then refused: failed with the true reason');

select is(pg_temp.late(s.state, n.outcome, n.code), s.stays, format('%s, then %s %s: as it was', s.state, n.outcome, n.code))
from (
    values ('sent', 'sent'), ('failed', 'failed content'), ('skipped', 'skipped suppressed'), ('returned', 'ready transient'), ('ready', 'ready'),
    ('processing', 'processing')
) s (state, stays)
cross join (values ('not_sent', null), ('rejected', '131016'), ('ambiguous', null)) n (outcome, code);

select is(pg_temp.late('cancelled', 'not_sent', null), 'cancelled cancelled', 'cancelled, then not sent: as it was');

select * from finish();
rollback;
