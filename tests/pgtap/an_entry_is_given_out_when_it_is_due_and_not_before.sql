begin;
select plan(9);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign'), 'rejected', '{"code": "131016", "retry_after": 120}');
select is(core.state(core.entry(:'campaign')), 'ready', 'after a passing fault the entry is ready again');
select core.keep('due', core.column_of(core.entry(:'campaign'), 'due_at'));
select cmp_ok(core.kept('due')::timestamptz, '>=', sendonce.now() + interval '120 seconds', 'due no sooner than the provider asked for');
select is(core.claim(:'campaign'), null, 'at once it is not given out');
select core.set_clock(core.kept('due')::timestamptz - interval '1 millisecond');
select is(core.claim(:'campaign'), null, 'nor a millisecond before it is due');
select core.set_clock(core.kept('due')::timestamptz);
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'when it is due it is');
select is(core.column_of(core.entry(:'campaign'), 'attempt'), '2', 'as the second attempt');

select core.single_message(core.account_of(:'campaign'), core.template_of(:'campaign'), core.person(2)) as single
\gset
update send_queue
set due_at = sendonce.now() + interval '1 hour'
where id = :single;
select is(core.claim(:'campaign'), null, 'a single message that is due in an hour waits');
select core.advance('1 hour');
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'for an hour');
select is(core.state(:single), 'processing', 'and is in hand then');

select * from finish();
rollback;
