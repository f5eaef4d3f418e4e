-- Which workers are about, for the operator's eyes. Nothing decides by this table.

create table sendonce.workers (
    worker text primary key,
    first_seen_at timestamptz not null default sendonce.now(),
    seen_at timestamptz not null default sendonce.now(),
    info jsonb not null default '{}'
);

comment on table sendonce.workers is 'The last heartbeat of each worker.';

create function sendonce.worker_heartbeat(_worker text, _info jsonb default '{}')
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if coalesce(btrim(_worker), '') = '' then
        perform sendonce.raise_invalid('a heartbeat needs the name of its worker', '_worker is empty.', 'Pass the same name as for claims.');
    end if;
    insert into sendonce.workers (worker, info)
    values (_worker, coalesce(_info, '{}'))
    on conflict (worker) do update set seen_at = sendonce.now(), info = excluded.info;
    return jsonb_build_object('schema_version', public.schema_version());
end;
$$;

comment on function sendonce.worker_heartbeat(text, jsonb) is 'Called by workers through public.worker_heartbeat, which documents it.';

create function sendonce.workers_alive()
returns integer
language sql
stable
security definer
set search_path = ''
as $$
    -- Three heartbeats.
    select count(*)::integer from sendonce.workers w where w.seen_at > sendonce.now() - interval '30 seconds';
$$;

comment on function sendonce.workers_alive() is
    'Called by campaign_progress, whose caller may not read the workers. Returns how many workers have told within three heartbeats that they live.';
