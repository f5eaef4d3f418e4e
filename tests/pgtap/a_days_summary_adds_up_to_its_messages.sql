begin;
select plan(10);

insert into public.rates (provider, category, rate, charge_on) values ('whatsapp', 'MARKETING', 0.05, 'delivered');
select testing.make_campaign(6) as campaign \gset
select testing.send(3);
select testing.send(1, 'rejected', '135000');
select public.suppress(testing.organization(:'campaign'), testing.recipient(5), 'all', 'asked for it');
select testing.claim(1);
select testing.report(testing.entry(:'campaign', 1), 'read');
select testing.report(testing.entry(:'campaign', 2), 'failed', '131026');
select (sendonce.now() at time zone 'UTC')::date as today \gset

prepare summary as
    select s.sent, s.failed, s.skipped, s.cancelled, s.delivered, s.read, s.undelivered, s.cost
    from public.daily_summary s
    where s.day = :'today';
select is(public.refresh_daily_summary(:'today'), jsonb_build_object('day', :'today'::date, 'accounts', 1), 'it says what it made');
select results_eq('execute summary', 'values (3, 1, 1, 0, 1, 1, 1, 0.05::numeric(14, 6))', 'the day''s messages, and what became of them');

select testing.report(testing.entry(:'campaign', 3), 'delivered');
select public.refresh_daily_summary(:'today');
select results_eq('execute summary', 'values (3, 1, 1, 0, 2, 1, 1, 0.10::numeric(14, 6))', 'made anew when reports have come in');
select is(public.refresh_daily_summary((:'today'::date - 1)) ->> 'accounts', '0', 'nothing happened the day before');
select throws_ok(format('select public.refresh_daily_summary(%L)', :'today'::date + 2), 'SO005', null, 'a day that has not begun');

-- Given up on one day, proven sent on the next.
select testing.make_campaign(1) as late \gset
select testing.send(1, 'ambiguous', null, (select c.account_id from public.campaigns c where c.id = :'late'));
select public.resolve_unknown(testing.entry(:'late'), 'fail');
select public.refresh_daily_summary(:'today');
select is((select s.failed from public.daily_summary s join public.campaigns c on c.account_id = s.account_id where c.id = :'late'), 1, 'an account of its own');
select testing.pass_time('1 day');
select testing.report(testing.entry(:'late'), 'delivered');
select public.refresh_daily_summary(:'today');
select is(
    (select s.failed + s.sent from public.daily_summary s join public.campaigns c on c.account_id = s.account_id where c.id = :'late'), 0,
    'a row goes back to zero when its only message has moved to another day'
);

select testing.make_member(testing.organization(:'campaign'), 'viewer') as viewer \gset
select testing.make_member(testing.make_organization('Another'), 'viewer') as other \gset
select testing.become(:'viewer');
select is((select count(*) from public.daily_summary), 1::bigint, 'members read theirs');
select testing.become(:'other');
select is((select count(*) from public.daily_summary), 0::bigint, 'others do not');
select testing.become_owner();
set local role sendonce_worker;
select lives_ok(format('select public.refresh_daily_summary(%L)', :'today'), 'a worker makes it');

select * from finish();
rollback;
