-- Another system identifier or WAL timeline means a restore or a fail-over: commits may be missing, so
-- nothing goes out until a person has looked.
begin;
select plan(11);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.world(1) as other
\gset
select pause_account(core.account_of(:'other'), 'mine');

update sendonce.database_identity set timeline = 'FFFFFFFF';
select is(core.claim(:'campaign'), null, 'after a fail-over nothing is given out');
select isnt(core.account_column(:'campaign', 'paused_at'), null, 'the account is paused');
select matches(core.account_column(:'campaign', 'pause_reason'), 'restored or failed over', 'with the reason');
select is(core.account_column(:'other', 'pause_reason'), 'mine', 'one that was paused keeps its own reason');
select is(
    (select count(*) from campaign_events
where event = 'account.paused' and account_id = core.account_of(:'campaign')), 1::bigint,
    'and it is on record'
);
select is(core.claim(:'campaign'), null, 'nothing is given out either when asked again');
select resume_account(core.account_of(:'campaign'));
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'until a person resumes the account');

update sendonce.database_identity set system_identifier = 1;
select is(core.claim(:'other'), null, 'the same for another system');
select isnt(core.account_column(:'campaign', 'paused_at'), null, 'whose accounts are all paused');
select is(
    (select system_identifier from sendonce.database_identity), (select system_identifier from pg_control_system()),
    'the new identity is remembered'
);
select is((select count(*) from sendonce.database_identity), 1::bigint, 'as the only one');

select * from finish();
rollback;
