-- The invariants: one line per violation, none on a healthy database.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/verify.sql
--     psql -X "$SENDONCE_DATABASE_URL" -v campaign=ID -f sql/ops/verify.sql         one campaign
--
-- Shows the number and name of the invariant (docs/ARCHITECTURE.md), campaign, entry and what was found.
-- Reads every row of these campaigns in one snapshot, changes nothing.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?campaign}
-- Refuses what is no campaign.
select public.campaign_progress(:'campaign') as found \gset
\else
\set campaign ''
\endif

select v.invariant, v.name, v.campaign_id, v.entry_id, v.detail
from public.verify_invariants(nullif(:'campaign', '')::uuid) v
order by v.invariant, v.name, v.campaign_id, v.entry_id;
