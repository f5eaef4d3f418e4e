-- Why contacts did not get their message: classes and codes, with what they mean.
--
--     psql -X "$SENDONCE_DATABASE_URL" -v campaign=ID -f sql/ops/failures.sql       one campaign
--     psql -X "$SENDONCE_DATABASE_URL" -v days=7 -f sql/ops/failures.sql            all begun within 7 days (default 1)
--
-- Shows failed and skipped contacts and those whose accepted message was not delivered, most frequent
-- first; then what did not fit and was kept out of the numbers. Reads only entries in trouble, by index.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?campaign}
-- Refuses what is no campaign.
select public.campaign_progress(:'campaign') as found \gset
\else
\set campaign ''
\endif
\if :{?days}
\else
\set days 1
\endif

with chosen as (
    select c.id, c.name
    from public.campaigns c
    where case
        when :'campaign' <> '' then c.id::text = :'campaign'
        else c.started_at > now() - make_interval(days => :'days'::integer)
    end
)
select
    chosen.name as campaign, told.key as what, line ->> 'class' as class, line ->> 'code' as code,
    (line ->> 'contacts')::bigint as contacts, line ->> 'meaning' as meaning, line ->> 'example' as example
from chosen
cross join lateral jsonb_each(public.failure_breakdown(chosen.id) - 'campaign_id') told
cross join lateral jsonb_array_elements(told.value) line
order by contacts desc, campaign, what, class, code;

\echo 'what did not fit (discrepancies), the latest 20:'
select d.seen_at, d.kind, d.campaign_id, d.entry_id, d.detail
from public.discrepancies d
where :'campaign' = '' or d.campaign_id::text = :'campaign'
order by d.id desc
limit 20;
