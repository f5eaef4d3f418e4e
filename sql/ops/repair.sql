-- Sets counters, progress, cost and status of campaigns to what their rows prove.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/repair.sql                               a dry run
--     psql -X "$SENDONCE_DATABASE_URL" -v apply=yes -f sql/ops/repair.sql                  does it
--     psql -X "$SENDONCE_DATABASE_URL" -v apply=yes -v campaign=ID -f sql/ops/repair.sql   one campaign
--
-- Shows each campaign that differs, before and after. Nothing is ever sent by a repair: a campaign that
-- wrongly claims to be completed becomes paused. Each campaign is repaired in a transaction of its own,
-- and the repair is kept in campaign_events.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?campaign}
-- Refuses what is no campaign.
select public.campaign_progress(:'campaign') as found \gset
\else
\set campaign ''
\endif
\if :{?apply}
\else
\set apply no
\endif

\if :apply
\echo 'repairing:'
\else
\echo 'a dry run; nothing is changed without -v apply=yes:'
\endif

select c.campaign_id, c.name, proven.key as what, c.claims ->> proven.key as before, proven.value as after
from public.check_campaigns() c
cross join lateral jsonb_each_text(c.proves) proven
where (:'campaign' = '' or c.campaign_id::text = :'campaign')
    and (c.claims -> proven.key) is distinct from (c.proves -> proven.key)
order by c.name, c.campaign_id, proven.key;

\if :apply
-- The answer holds what the repair itself found under the campaign's lock.
select format('select public.repair_campaign(%L, false) as repaired', c.campaign_id)
from public.check_campaigns() c
where not c.matches and (:'campaign' = '' or c.campaign_id::text = :'campaign')
\gexec
\echo 'a repair sends nothing; resume a paused campaign to go on with it'
\endif
