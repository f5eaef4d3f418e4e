-- The second path too, by which entries go out again, looks at the campaign.
begin;
select plan(3);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', 1), 'rejected', '{"code": "131016"}');
select core.result(core.entry(:'campaign', 2), 'not_sent');
select core.advance('1 day');
select pause_campaign(:'campaign', 'test');
select is(core.claim(:'campaign'), null, 'nothing is given out while it is paused');
select resume_campaign(:'campaign');
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'and it is once it is resumed');
select is(
    (select count(*) from send_queue
where campaign_id = :'campaign' and status = 'processing'), 2::bigint, 'both of them'
);

select * from finish();
rollback;
