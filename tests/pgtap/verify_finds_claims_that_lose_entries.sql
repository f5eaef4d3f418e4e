begin;
select plan(9);

select testing.make_campaign(9) as campaign \gset
select testing.claim(3) as first \gset
select testing.dispatch(:first);
select testing.claim(2) as second \gset
savepoint honest;
select is_empty('select testing.violations()', 'nothing is wrong');

delete from public.claims where id = :second;
select results_eq('select testing.violations()', array['9 entry_in_hand_is_in_its_claim'], 'in hand of a claim that does not exist: nothing would bring it back');
rollback to honest;
update public.claims set entry_ids = entry_ids[:1] where id = :second;
select results_eq('select testing.violations()', array['9 entry_in_hand_is_in_its_claim'], 'or of one that has forgotten it');
rollback to honest;
update public.claims set entry_ids = entry_ids || testing.entry(:'campaign', 9) where id = :second;
select results_eq('select testing.violations()', array['9 claim_holds_its_own_entries'], 'a claim that lists an entry which is ready');
rollback to honest;
update public.claims set entry_ids = entry_ids || testing.entry(:'campaign', 1) where id = :second;
select results_eq(
    'select testing.violations()', array['9 claim_holds_its_own_entries', '9 entry_is_in_one_claim'], 'a claim that lists an entry of another claim'
);
rollback to honest;
update public.claims set entry_ids = entry_ids || 0::bigint where id = :second;
select results_eq('select testing.violations()', array['9 claim_holds_its_own_entries'], 'a claim that lists an entry which does not exist');
rollback to honest;
update public.claims set dispatched = array[testing.entry(:'campaign', 1)] where id = :second;
select results_eq('select testing.violations()', array['9 dispatched_is_part_of_the_claim'], 'dispatched without being held');
rollback to honest;
update public.claims set organization_id = testing.make_organization('Another') where id = :second;
select results_eq('select testing.violations()', array['12 claim_stays_in_its_organization'], 'a claim of another organization than its account');
rollback to honest;
select testing.pass_time('1 hour');
select is_empty('select testing.violations()', 'a claim that has run out is no violation: expire_claims comes for it');

select * from finish();
rollback;
