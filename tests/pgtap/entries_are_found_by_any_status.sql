begin;
select plan(9);

select testing.make_campaign(9) as campaign \gset
-- One entry of each state in hand or settled, two ready; each state is found by a way of its own.
select testing.send(1);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'rejected', '131016');
select testing.send(1, 'ambiguous');
select public.suppress(testing.organization(:'campaign'), testing.recipient(5), 'all', 'asked for it');
select testing.claim(1);
select testing.claim(1);

prepare listed(public.entry_status) as
    select q.id from public.campaign_entries(:'campaign', $1) q;
prepare expected(public.entry_status) as
    select q.id from public.send_queue q where q.campaign_id = :'campaign' and q.status = $1 order by q.id;

select results_eq('execute listed(''ready'')', 'execute expected(''ready'')', 'ready');
select results_eq('execute listed(''processing'')', 'execute expected(''processing'')', 'processing');
select results_eq('execute listed(''unknown'')', 'execute expected(''unknown'')', 'unknown');
select results_eq('execute listed(''sent'')', 'execute expected(''sent'')', 'sent');
select results_eq('execute listed(''failed'')', 'execute expected(''failed'')', 'failed');
select results_eq('execute listed(''skipped'')', 'execute expected(''skipped'')', 'skipped');
select public.cancel_campaign(:'campaign');
select public.sweep_cancelled();
select results_eq('execute listed(''cancelled'')', 'execute expected(''cancelled'')', 'cancelled');
select is(
    (select count(distinct q.status) from public.send_queue q where q.campaign_id = :'campaign'), 6::bigint, 'the campaign has an entry in each of these states'
);
select is((select count(*) from public.campaign_entries(:'campaign')), 9::bigint, 'without a status: all of them');

select * from finish();
rollback;
