-- What is a reason to try again as a reply is none as a report: it comes after acceptance.
begin;
select plan(12);

select core.set_clock();
select core.world(8, '{"account": {"maximum_rate": 100}}') as campaign
\gset
select core.advance('1 second');
select core.hand_out(:'campaign');

create temporary table reported on commit drop as
select c.number, c.code, c.class, core.entry(:'campaign', c.number) as entry_id
from (
    values (1, '131016', 'transient'), (2, '131049', 'recipient_later'), (3, '130429', 'throttle'), (4, '131056', 'pair_throttle'),
    (5, '190', 'account'), (6, '132015', 'template'), (7, '131000', 'ambiguous'), (8, '131050', 'opt_out')
) c (number, code, class);
select core.report(entry_id, 'failed', jsonb_build_object('code', code)) from reported
order by number;

select is(core.state(entry_id), 'sent/undelivered', class || ' in a report: sent and not delivered') from reported
order by number;
select core.advance('30 days');
select resume_account(core.account_of(:'campaign'));
update templates set stopped_at = null, stop_reason = null;
select is(core.claim(:'campaign'), null, 'nothing is sent again, whatever the code, however late');
select is(
    array(select q.delivery_error_code from send_queue q
where q.campaign_id = :'campaign'
order by q.id),
    array(select r.code from reported r
order by r.number), 'the codes are kept on the entries'
);
select is(
    (select count(*) from campaign_events
where event = 'account.paused' and account_id = core.account_of(:'campaign')), 1::bigint,
    'but the side effects apply: the account was paused'
);
select is(core.account_column(:'campaign', 'current_rate')::numeric, 50::numeric, 'and slowed down');

select * from finish();
rollback;
