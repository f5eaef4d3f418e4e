-- What each campaign claims against what its rows prove; the campaigns that differ, field by field.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/check.sql
--     psql -X "$SENDONCE_DATABASE_URL" -v campaign=ID -f sql/ops/check.sql          one campaign
--     psql -X "$SENDONCE_DATABASE_URL" -v organization=ID -f sql/ops/check.sql      one tenant
--
-- Shows one line per field that differs, none when all is well, and then how many were looked at.
-- Reads every contact of these campaigns, changes nothing. Differences: repair.sql.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?campaign}
-- Refuses what is no campaign.
select public.campaign_progress(:'campaign') as found \gset
\else
\set campaign ''
\endif
\if :{?organization}
\else
\set organization ''
\endif

\echo 'campaigns that claim what their rows do not prove:'
select c.campaign_id, c.name, proven.key as what, c.claims ->> proven.key as claimed, proven.value as proven
from public.check_campaigns(nullif(:'organization', '')::uuid) c
cross join lateral jsonb_each_text(c.proves) proven
where (:'campaign' = '' or c.campaign_id::text = :'campaign')
    and (c.claims -> proven.key) is distinct from (c.proves -> proven.key)
order by c.name, c.campaign_id, proven.key;

select count(*) as checked, count(*) filter (where c.matches) as in_order, count(*) filter (where not c.matches) as differing
from public.check_campaigns(nullif(:'organization', '')::uuid) c
where :'campaign' = '' or c.campaign_id::text = :'campaign';
