-- The emergency stop: pauses every account, so that nothing more is handed out or dispatched.
--
--     psql -X "$SENDONCE_DATABASE_URL" -v reason='why' -f sql/ops/pause_everything.sql
--
-- Requests that have left already finish and are recorded. Accounts paused before keep their own reason,
-- and resume_everything.sql leaves them paused. Shows every account afterwards.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'
\if :{?reason}
\else
\set reason 'an operator ran pause_everything.sql'
\endif

-- Each in a transaction of its own: one that somebody has locked does not hold up what is paused already.
select format('select public.pause_account(%L, %L)', a.id, 'everything is paused: ' || :'reason')
from public.provider_accounts a
where a.paused_at is null
order by a.id
\gexec

select a.id, a.name, a.paused_at, a.pause_reason
from public.provider_accounts a
order by a.name, a.id;
