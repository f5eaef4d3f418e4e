-- Who holds what: workers, their claims, and claims past their lease.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/stuck.sql
--
-- Shows each worker with its last sign of life and what it holds, then the claims past their lease.
-- A worker that lives sweeps them by itself; where none does, and none can be started:
--     select public.expire_claims(1000);
-- What was dispatched becomes unknown, the rest goes back to the queue. Nothing is sent by that.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'

\echo 'workers:'
with held as (
    select k.worker, count(*) as claims, sum(cardinality(k.entry_ids)) as contacts, sum(cardinality(k.dispatched)) as dispatched
    from public.claims k
    group by k.worker
)
select
    coalesce(w.worker, held.worker) as worker, date_trunc('second', sendonce.now() - w.seen_at) as last_seen_ago,
    coalesce(held.claims, 0) as claims, coalesce(held.contacts, 0) as contacts, coalesce(held.dispatched, 0) as dispatched
from sendonce.workers w
full join held on held.worker = w.worker
where held.worker is not null or w.seen_at > sendonce.now() - interval '1 day'
order by last_seen_ago, worker;

\echo 'claims past their lease:'
select
    k.id as claim, a.name as account, k.worker, k.claimed_at, date_trunc('second', sendonce.now() - k.expires_at) as over_for,
    cardinality(k.entry_ids) as contacts, cardinality(k.dispatched) as dispatched
from public.claims k
join public.provider_accounts a on a.id = k.account_id
where k.expires_at < sendonce.now()
order by k.expires_at, k.id;
