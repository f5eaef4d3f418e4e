begin;
select plan(6);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.single_message(core.account_of(:'campaign'), core.template_of(:'campaign')) as single
\gset
select pause_account(core.account_of(:'campaign'), 'under review');
select is(core.claim(:'campaign'), null, 'a paused account gives out nothing');
select is(claim_messages('worker-1') ->> 'claim_id', null, 'nor does it when the database picks the account');
select is(core.state(core.entry(:'campaign')), 'ready', 'the contact waits');
select is(core.column_of(core.entry(:'campaign'), 'attempt'), '0', 'and has used no attempt');

select resume_account(core.account_of(:'campaign'));
select is(
    jsonb_array_length(claim_messages('worker-1', core.account_of(:'campaign')) -> 'entries'), 2,
    'a resumed one gives out the campaign and the single message'
);
select isnt(core.state(:single), 'ready', 'which is in hand now');

select * from finish();
rollback;
