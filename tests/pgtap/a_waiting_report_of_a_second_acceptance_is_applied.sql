-- Without a reference, and before the result that tells its message id: it waits for that, whether the
-- id ends on the entry or on a second acceptance.
begin;
select plan(3);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign'), 'ambiguous');
update send_queue set status = 'ready'
where campaign_id = :'campaign';
select core.hand_out(:'campaign') as claim
\gset
select core.report(core.entry(:'campaign'), 'sent', '{}', 1);
select is(core.report(core.entry(:'campaign'), 'delivered', '{"reference": null}', 2) ->> 'waiting', '1', 'the report waits');
select core.result(core.entry(:'campaign'), 'accepted', '{}', :claim, 2);
select is(sweep_reports() ->> 'applied', '1', 'and is applied once the second acceptance is recorded');
select is(core.counter(:'campaign', 'actual_cost')::numeric, 0.05, 'and charged');

select * from finish();
rollback;
