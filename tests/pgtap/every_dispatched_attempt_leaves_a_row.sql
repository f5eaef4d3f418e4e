-- An attempt that may have reached the provider has its row in messages, also when evidence for an
-- earlier attempt has settled the entry meanwhile.
begin;
select plan(6);

select core.set_clock();
select core.world(2) as campaign
\gset

-- Attempt 1 ends unknown, and a person sends it again.
create function pg_temp.second_attempt_in_hand(_entry_id bigint)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform core.result(_entry_id, 'ambiguous');
    update public.send_queue set status = 'ready' where id = _entry_id;
end;
$$;

select core.hand_out(:'campaign');
select pg_temp.second_attempt_in_hand(core.entry(:'campaign', 1));
select pg_temp.second_attempt_in_hand(core.entry(:'campaign', 2));
select core.hand_out(:'campaign') as claim
\gset
select core.report(core.entry(:'campaign', n), 'delivered', '{}', 1) from generate_series(1, 2) n;
select is(core.state(core.entry(:'campaign', n)), 'sent/delivered', 'the report about attempt 1 settles the entry') from generate_series(1, 2) n;

select core.result(core.entry(:'campaign', 1), 'ambiguous', '{}', :claim, 2);
select is(
    (select outcome::text from messages
where entry_id = core.entry(:'campaign', 1) and attempt = 2), 'unknown',
    'attempt 2 that ended ambiguous has its row'
);

select core.advance('1 hour');
select expire_claims();
select is(
    (select outcome::text from messages
where entry_id = core.entry(:'campaign', 2) and attempt = 2), 'unknown',
    'attempt 2 that ran out has its row'
);
select is_empty('select from claims', 'and no claim is left');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
