begin;
select plan(2);

select testing.make_campaign(3) as campaign \gset
select testing.send(2);
-- What is not there cannot be read.
alter table public.send_queue rename to send_queue_away;
alter table public.messages rename to messages_away;
select lives_ok(format('select public.campaign_progress(%L)', :'campaign'), 'progress needs neither entries nor attempts');
select is(public.campaign_progress(:'campaign') ->> 'total_sent', '2', 'and knows the numbers');

select * from finish();
rollback;
