begin;
select plan(19);

select testing.make_campaign(8) as campaign \gset
select testing.send(1);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'ambiguous');
select testing.send(1, 'rejected', '131016');
select testing.claim(1);

-- The constraints would refuse each of these; without them, the rows themselves tell.
alter table public.send_queue
    drop constraint processing_is_held_by_a_claim, drop constraint sent_has_a_wamid, drop constraint sent_has_its_time,
    drop constraint only_sent_is_delivered, drop constraint unknown_has_its_time, drop constraint only_ready_is_due,
    drop constraint failed_has_a_class, drop constraint settled_has_its_time;

create function testing.found(_campaign_id uuid, _number integer, _columns text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _found text;
begin
    -- Undone by the exception, so that every case starts from the same rows.
    perform testing.plant('public.send_queue', format('update public.send_queue set %s where id = %s', _columns, testing.entry(_campaign_id, _number)));
    select string_agg(v.invariant || ' ' || v.name || ' ' || (v.entry_id = testing.entry(_campaign_id, _number)), ', ') into _found
    from public.verify_invariants(_campaign_id) v
    where v.name <> 'guard_is_in_place';
    raise exception using errcode = 'ZZ000', message = coalesce(_found, '(nothing)');
exception
    when sqlstate 'ZZ000' then
        return sqlerrm;
end;
$$;

prepare one(integer, text) as select testing.found(:'campaign', $1, $2);
select is(testing.found(:'campaign', 1, 'recipient = recipient'), '(nothing)', 'nothing is wrong at first');
-- 1 is sent, 2 failed, 3 unknown, 4 due for another try, 5 in hand, 6 ready and never handed out.
select is(testing.found(:'campaign', n, columns), '3 entry_state_fits_its_columns true', what)
from (
    values
        (1, 'sent_at = null', 'sent without a time'),
        (1, 'settled_at = null', 'settled without a time'),
        (1, 'due_at = sendonce.now()', 'sent and due'),
        (1, 'unknown_since = sendonce.now()', 'sent and unknown'),
        (1, 'claim_id = 1', 'sent and in a claim'),
        (1, 'read_at = sendonce.now()', 'read at a time, and not read'),
        (2, 'error_class = null', 'failed without a reason'),
        (2, $$provider_message_id = 'wamid.x'$$, 'failed with a message id'),
        (2, 'settled_at = null', 'failed and not settled'),
        (3, 'unknown_since = null', 'unknown since never'),
        (4, 'settled_at = sendonce.now()', 'ready and settled'),
        (4, 'tries = -1', 'tries below zero'),
        (6, 'claim_id = 1', 'ready and in a claim'),
        (6, $$delivery_status = 'delivered', delivered_at = sendonce.now()$$, 'delivered and not sent')
) planted(n, columns, what);

-- A message id that vanished is seen by the entry's attempts too.
select is(
    testing.found(:'campaign', 1, 'provider_message_id = null'), '3 entry_state_fits_its_columns true, 2 first_wamid_stays_on_the_entry true',
    'sent without its message id'
);
-- Without its claim, nothing would ever come back for it.
select is(
    testing.found(:'campaign', 5, 'claim_id = null'),
    '3 entry_state_fits_its_columns true, 9 entry_in_hand_is_in_its_claim true, 9 claim_holds_its_own_entries true', 'in hand of no claim'
);
select is(testing.found(:'campaign', 6, 'due_at = null'), '(nothing)', 'ready ahead of the cursor needs no due time');
select is(testing.found(:'campaign', 4, 'due_at = null'), '7 ready_entry_can_be_reached true', 'ready behind it does: no claim would find it');

select * from finish();
rollback;
