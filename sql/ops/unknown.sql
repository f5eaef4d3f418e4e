-- Contacts of whom nobody knows yet whether they got the message.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/unknown.sql
--     psql -X "$SENDONCE_DATABASE_URL" -v campaign=ID -f sql/ops/unknown.sql        one campaign
--     psql -X "$SENDONCE_DATABASE_URL" -v limit=1000 -f sql/ops/unknown.sql         more than 100 of each tenant
--
-- Shows the attempt, its worker, since when, why, and when it ends as failed by itself ("-": the account
-- holds it for a person). To settle one by hand, after asking the provider:
--     select public.resolve_unknown(ENTRY_ID, 'fail');     it ends as failed
--     select public.resolve_unknown(ENTRY_ID, 'retry');    it is sent once more; who got the first has two

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?campaign}
-- Refuses what is no campaign.
select public.campaign_progress(:'campaign') as found \gset
\else
\set campaign ''
\endif
\if :{?limit}
\else
\set limit 100
\endif

select u.entry_id, u.campaign_id, u.recipient, u.attempt, u.worker, u.unknown_since, u.settles_at, u.why
from public.organizations o
cross join lateral public.unknown_entries(o.id, nullif(:'campaign', '')::uuid, 0, :'limit'::integer) u
order by u.unknown_since, u.entry_id;
