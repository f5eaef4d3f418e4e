-- What waits, account by account and campaign by campaign.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/queue.sql
--
-- Shows for each account its pause or rest, its rate, what workers hold and how much of that was
-- dispatched, and the single messages that wait; then each active campaign with what is not settled yet.
-- From counters and indexes: cheap at any size.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'

\echo 'accounts:'
select
    o.name as organization, stats.account ->> 'name' as account, stats.account ->> 'paused_at' as paused_at,
    stats.account ->> 'pause_reason' as pause_reason, stats.account ->> 'resting_until' as resting_until,
    stats.account ->> 'current_rate' as rate, stats.account ->> 'running_campaigns' as running, stats.account ->> 'unsettled' as unsettled,
    stats.account ->> 'in_hand' as in_hand, stats.account ->> 'dispatched' as dispatched, stats.account ->> 'single_waiting' as single_waiting
from public.organizations o
cross join lateral jsonb_array_elements(public.queue_stats(o.id) -> 'accounts') stats(account)
order by o.name, account;

\echo 'active campaigns:'
select
    c.id, c.name, c.status, c.priority, c.progress, c.total_contacts as contacts,
    c.total_contacts - c.total_sent - c.total_failed - c.total_skipped - c.total_cancelled as unsettled,
    c.total_unknown as unknown, c.pause_reason
from public.campaigns c
where c.status in ('scheduled', 'running', 'paused')
order by c.priority desc, c.created_at, c.id;
