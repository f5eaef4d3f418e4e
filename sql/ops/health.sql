-- What makes the database slow: dead rows, old snapshots, forgotten transactions and slots, locks.
--
--     psql -X "$SENDONCE_DATABASE_URL" -f sql/ops/health.sql
--
-- Shows dead rows beside living ones for each table and index size, transactions open for more than a
-- minute, prepared transactions, replication slots, and who waits for whom. Needs pg_monitor to see the
-- sessions of others.

\set ON_ERROR_STOP on
\set QUIET on
\pset null '-'

\echo 'rows and space:'
select
    s.schemaname || '.' || s.relname as relation, s.n_live_tup as live, s.n_dead_tup as dead,
    pg_size_pretty(pg_table_size(s.relid)) as data, pg_size_pretty(pg_indexes_size(s.relid)) as indexes,
    date_trunc('second', s.last_autovacuum) as last_autovacuum, date_trunc('second', s.last_autoanalyze) as last_autoanalyze
from pg_stat_user_tables s
where s.schemaname in ('public', 'sendonce') and s.n_live_tup + s.n_dead_tup > 0
order by s.n_dead_tup desc, relation;

\echo 'transactions open for more than a minute:'
select
    a.pid, a.usename as login, a.application_name as program, a.state, date_trunc('second', clock_timestamp() - a.xact_start) as open_for,
    age(a.backend_xmin) as holds_back, left(a.query, 60) as latest_query
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start < clock_timestamp() - interval '1 minute'
order by a.xact_start;

\echo 'prepared transactions:'
select p.gid, p.prepared, p.owner from pg_prepared_xacts p where p.database = current_database() order by p.prepared;

\echo 'replication slots:'
select s.slot_name, s.active, s.wal_status, age(s.xmin) as holds_back_rows, age(s.catalog_xmin) as holds_back_catalog
from pg_replication_slots s
order by s.slot_name;

\echo 'who waits for whom:'
select a.pid, pg_blocking_pids(a.pid) as waits_for, a.application_name as program, left(a.query, 60) as query
from pg_stat_activity a
where a.datname = current_database() and cardinality(pg_blocking_pids(a.pid)) > 0
order by a.pid;
