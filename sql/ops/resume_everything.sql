-- Ends what pause_everything.sql began.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/resume_everything.sql
--
-- Accounts paused for another reason stay paused. Shows every account afterwards.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'

select format('select public.resume_account(%L)', a.id)
from public.provider_accounts a
where a.pause_reason like 'everything is paused: %'
order by a.id
\gexec

select a.id, a.name, a.paused_at, a.pause_reason
from public.provider_accounts a
order by a.name, a.id;
