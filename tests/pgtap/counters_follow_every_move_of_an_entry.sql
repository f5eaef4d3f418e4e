-- A long walk by chance, always the same one: after every step the counters are the rows.
begin;
select plan(5);

select core.set_clock();
select setseed(0.42);

create temporary table seen (status public.entry_status primary key) on commit drop;

create function pg_temp.walk(_steps integer, _organization_id uuid, _campaigns uuid[])
returns table (step integer, did text, difference text)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _dice double precision;
    _entry public.send_queue;
    _campaign_id uuid;
begin
    for _step in 1.._steps loop
        _dice := random();
        _campaign_id := _campaigns[1 + floor(random() * cardinality(_campaigns))::integer];
        select q.* into _entry from public.send_queue q where q.campaign_id = _campaign_id order by random() limit 1;
        did := null;
        case
            when _dice < 0.15 then
                did := 'claim';
                perform core.claim(_campaign_id, 1 + floor(random() * 8)::integer);
            when _dice < 0.35 then
                did := 'dispatch';
                perform core.dispatch(k.id)
                from public.claims k
                where k.account_id = _entry.account_id and k.expires_at > sendonce.now()
                order by random()
                limit 1;
            when _dice < 0.65 then
                did := 'result';
                perform core.result(
                    q.id, (array['accepted', 'accepted', 'rejected', 'not_sent', 'ambiguous'])[1 + floor(random() * 5)::integer],
                    jsonb_build_object('code', (array['135000', '131016', '131049', '131050', null])[1 + floor(random() * 5)::integer]),
                    coalesce(q.claim_id, 987654321), greatest(1, q.attempt - floor(random() * 1.2)::integer)
                )
                from public.send_queue q
                where q.campaign_id = _campaign_id and q.attempt > 0
                order by random()
                limit 3;
            when _dice < 0.85 then
                did := 'report';
                perform core.report(
                    q.id, (array['sent', 'delivered', 'read', 'failed'])[1 + floor(random() * 4)::integer], '{}', greatest(1, q.attempt - floor(random() * 1.2)::integer)
                )
                from public.send_queue q
                where q.campaign_id = _campaign_id and q.attempt > 0
                order by random()
                limit 2;
            when _dice < 0.88 then
                did := 'time';
                perform core.advance(interval '30 seconds' * random() * 10);
                perform public.expire_claims(2);
            when _dice < 0.90 then
                did := 'settle';
                perform core.advance('11 minutes');
                perform public.settle_overdue_unknown(2);
            when _dice < 0.93 then
                did := 'release';
                perform public.release_claim(k.id) from public.claims k where k.account_id = _entry.account_id order by random() limit 1;
            when _dice < 0.95 then
                did := 'suppress';
                insert into public.suppressions (organization_id, recipient, scope, reason)
                values (_organization_id, _entry.recipient, 'all', 'walk')
                on conflict do nothing;
            when _dice < 0.97 then
                did := 'pause or resume';
                if core.campaign_status(_campaign_id) = 'running' then
                    perform public.pause_campaign(_campaign_id, 'walk');
                elsif core.campaign_status(_campaign_id) = 'paused' then
                    perform public.resume_campaign(_campaign_id);
                end if;
            when _dice < 0.98 then
                did := 'resume account';
                perform public.resume_account(_entry.account_id);
            when _dice < 0.981 then
                did := 'cancel';
                if core.campaign_status(_campaign_id) in ('running', 'paused') then
                    perform public.cancel_campaign(_campaign_id);
                end if;
            else
                did := 'sweep';
                perform public.sweep_cancelled(3);
                perform public.sweep_reports(3);
        end case;
        step := _step;
        insert into pg_temp.seen select distinct q.status from public.send_queue q on conflict do nothing;
        for difference in select core.differences(c.id) from unnest(_campaigns) c (id) loop
            return next;
        end loop;
    end loop;
end;
$$;

select core.organization() as organization
\gset
select core.price(:'organization', 0.05);
select core.account(:'organization') as account, core.template(:'organization') as template
\gset
create temporary table walked on commit drop as
select core.campaign(:'account', :'template', 80) as campaign_id
from generate_series(1, 4);
select is_empty(
    format('select * from pg_temp.walk(1200, %L, %L::uuid[])', :'organization', (select array_agg(campaign_id) from walked)), '1,200 steps, and no difference after any'
);
select is((select count(*) from seen), 7::bigint, 'the walk has been in every state');
select cmp_ok((select sum(total_sent) from campaigns), '>', 20::bigint, 'has sent');
select cmp_ok((select sum(actual_cost) from campaigns), '>', 0.0, 'and paid');
select is_empty(
    'select from send_queue q where q.status = ''processing'' and not exists (select from claims k where k.id = q.claim_id and q.id = any (k.entry_ids))',
    'nothing is in process without a claim that holds it'
);

select * from finish();
rollback;
