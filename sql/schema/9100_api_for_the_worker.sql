-- What workers and the webhook call: thin invoker functions over the definers in schema sendonce.
-- Executable by service_role and by sendonce_worker, which can do nothing else. In plpgsql, which keeps
-- its plans between calls.

create function public.schema_version()
returns integer
language sql
immutable
security invoker
set search_path = ''
as $$
    select 1;
$$;

comment on function public.schema_version() is
    'Called by workers at their start. Returns the version of the schema, which must be the one that the worker was built for. Raises nothing.';

create function public.claim_messages(_worker text, _account_id uuid default null, _limit integer default 100)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.claim_messages(_worker, _account_id, _limit);
end;
$$;

comment on function public.claim_messages(text, uuid, integer) is
    'Called by workers. Puts up to _limit entries of one account (null: any that has work) into the hands of _worker and returns {claim_id, lease_seconds, rate, account, templates, entries}; with claim_id null, wait_seconds says when to ask again. Gives out only what may go now. Raises SO005 for a missing name or a limit outside 1 to 1,000.';

create function public.begin_dispatch(_claim_id bigint, _entry_ids bigint[])
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.begin_dispatch(_claim_id, _entry_ids);
end;
$$;

comment on function public.begin_dispatch(bigint, bigint[]) is
    'Called by workers, and committed, before the requests start. Returns {dispatched: those that may leave, refused: those moved elsewhere and why, later: those that must wait later_seconds for a token and stay in the claim, lease_seconds}. Repeated, returns what was dispatched already. Raises SO020 when the claim is gone, SO021 when its lease is over.';

create function public.record_results(_claim_id bigint, _results jsonb)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.record_results(_claim_id, _results);
end;
$$;

comment on function public.record_results(bigint, jsonb) is
    'Called by workers with [{entry_id, attempt, outcome: accepted, rejected, not_sent or ambiguous, provider_message_id, http_status, code, message, retry_after}], also after the claim has gone. Judges each against its row as it is now and returns {recorded, already, sent, failed, ready, unknown, refused: [{entry_id, reason}], claim_open}. Repeating it changes nothing. Raises SO005 when _results is no array.';

create function public.renew_claims(_claim_ids bigint[])
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.renew_claims(_claim_ids);
end;
$$;

comment on function public.renew_claims(bigint[]) is
    'Called by workers for the claims that they hold in memory. Extends their leases up to the longest age of a claim and returns {claims: [{claim_id, lease_seconds}]}; those missing are lost. Raises nothing.';

create function public.release_claim(_claim_id bigint)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.release_claim(_claim_id);
end;
$$;

comment on function public.release_claim(bigint) is
    'Called by workers that stop. Returns what was never dispatched to ready; the claim stays open for the rest. Returns {released, claim_open}. Raises nothing.';

create function public.expire_claims(_limit integer default 100)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.expire_claims(_limit);
end;
$$;

comment on function public.expire_claims(integer) is
    'Called by workers about once a second. Closes up to _limit claims whose lease is over: what was dispatched becomes unknown, the rest ready (failed after ten times). Returns {expired, returned, unknown, failed, more}. Raises nothing.';

create function public.settle_overdue_unknown(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.settle_overdue_unknown(_limit);
end;
$$;

comment on function public.settle_overdue_unknown(integer) is
    'Called by workers about once a second. Fails unknown entries whose account''s window is over and whose policy is fail, with class outcome_unknown. Returns {failed, more}. Raises nothing.';

create function public.sweep_cancelled(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.sweep_cancelled(_limit);
end;
$$;

comment on function public.sweep_cancelled(integer) is
    'Called by workers about once a second. Moves ready entries of cancelled campaigns to cancelled. Returns {cancelled, more}. Raises nothing.';

create function public.start_due_campaigns(_limit integer default 100)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.start_due_campaigns(_limit);
end;
$$;

comment on function public.start_due_campaigns(integer) is
    'Called by workers about once a second. Starts scheduled campaigns whose time has come. Returns {started, more}. Raises nothing.';

create function public.sweep_reports(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.sweep_reports(_limit);
end;
$$;

comment on function public.sweep_reports(integer) is
    'Called by workers about once a second. Applies reports that came before their message was known, and gives up those that waited 7 days. Returns {applied, given_up, more}. Raises nothing.';

create function public.worker_heartbeat(_worker text, _info jsonb default '{}')
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.worker_heartbeat(_worker, _info);
end;
$$;

comment on function public.worker_heartbeat(text, jsonb) is
    'Called by workers before the first claim and every ten seconds. Returns {schema_version}. Raises SO005 for a missing name.';

create function public.ingest_delivery_reports(_provider text, _reports jsonb)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
    return sendonce.ingest_delivery_reports(_provider, _reports);
end;
$$;

comment on function public.ingest_delivery_reports(text, jsonb) is
    'Called by the webhook, once per POST, with [{app, sender, provider_message_id, status, timestamp, reference, code, message}] as the provider wrote them. Durable when it returns {taken, applied, waiting, refused, ignored}. Any order and any repetition gives the same rows. Raises SO005 when _reports is no array.';

create function public.refresh_daily_summary(_day date)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.refresh_daily_summary(_day);
$$;

comment on function public.refresh_daily_summary(date) is
    'Called by workers, or a scheduler, for yesterday and for days on which reports still came in. Makes the rows of daily_summary for this day (UTC) anew and returns {day, accounts}; again is harmless. Reads every entry. Raises SO005 for a day that has not begun.';
