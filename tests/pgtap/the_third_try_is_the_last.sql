-- Transient and recipient_later count, three of them fail the entry; what is not the contact's fault
-- may happen any number of times.
begin;
select plan(11);

select core.set_clock();

create function pg_temp.fail_times(_entry_id bigint, _campaign_id uuid, _times integer, _outcome text, _extra jsonb)
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
    for _time in 1.._times loop
        perform core.advance('2 days');
        update public.provider_accounts set resting_until = null, unsure_in_a_row = 0 where id = core.account_of(_campaign_id);
        perform public.resume_account(core.account_of(_campaign_id));
        perform core.hand_out(_campaign_id);
        perform core.result(_entry_id, _outcome, _extra);
    end loop;
    return core.state(_entry_id) || ' after ' || core.column_of(_entry_id, 'tries') || ' tries and ' || core.column_of(_entry_id, 'attempt') || ' attempts';
end;
$$;

select core.world(1) as transient
\gset
select is(
    pg_temp.fail_times(core.entry(:'transient'), :'transient', 2, 'rejected', '{"code": "131016"}'), 'ready after 2 tries and 2 attempts', 'two passing faults'
);
select is(
    pg_temp.fail_times(core.entry(:'transient'), :'transient', 1, 'rejected', '{"code": "131016"}'), 'failed after 3 tries and 3 attempts', 'the third is the last'
);
select is(core.column_of(core.entry(:'transient'), 'error_class'), 'transient', 'for the reason that it had');
select is(core.column_of(core.entry(:'transient'), 'error_code'), '131016', 'with the code');
select is(core.campaign_status(:'transient'), 'completed', 'and completes the campaign');

select core.world(1) as later
\gset
select pg_temp.fail_times(core.entry(:'later'), :'later', 2, 'rejected', '{"code": "131049"}');
select is(
    pg_temp.fail_times(core.entry(:'later'), :'later', 1, 'rejected', '{"code": "131016"}'), 'failed after 3 tries and 3 attempts', 'both classes count together'
);

select core.world(1) as patient
\gset
select is(
    pg_temp.fail_times(core.entry(:'patient'), :'patient', 6, 'rejected', '{"code": "131056"}'), 'ready after 0 tries and 6 attempts', 'pair throttling never counts'
);
select is(
    pg_temp.fail_times(core.entry(:'patient'), :'patient', 6, 'rejected', '{"code": "190"}'), 'ready after 0 tries and 12 attempts', 'nor do account errors'
);
select is(
    pg_temp.fail_times(core.entry(:'patient'), :'patient', 6, 'not_sent', '{}'), 'ready after 0 tries and 18 attempts', 'nor what was never sent'
);
select is(
    (select count(*) from messages
where entry_id = core.entry(:'patient')), 18::bigint, 'every attempt is on record'
);
select is_empty(format('select core.differences(%L)', :'patient'), 'the numbers are the rows');

select * from finish();
rollback;
