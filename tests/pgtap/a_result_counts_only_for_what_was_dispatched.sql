-- In hand is: this claim, this attempt, dispatched. Anything else but evidence is refused and moves nothing.
begin;
select plan(17);

select core.set_clock();
select core.world(3) as campaign
\gset
select core.claim(:'campaign', 2) as claim
\gset
select core.dispatch(:claim, array[core.entry(:'campaign', 1)]);
select core.claim(:'campaign', 1) as other_claim
\gset
select core.dispatch(:other_claim);

create temporary table refused on commit drop as
select t.what, t.entry_id, o.outcome, core.result(t.entry_id, o.outcome, jsonb_build_object('code', o.code), t.claim_id, t.attempt) as answer
from (
    values
    ('claimed and not dispatched', core.entry(:'campaign', 2), :claim, 1),
    ('another claim''s', core.entry(:'campaign', 3), :claim, 1),
    ('an attempt that is over', core.entry(:'campaign', 1), :claim, 0),
    ('an attempt to come', core.entry(:'campaign', 1), :claim, 2)
) t (what, entry_id, claim_id, attempt)
cross join (values ('not_sent', null), ('rejected', '135000'), ('ambiguous', null)) o (outcome, code);

select is(jsonb_array_length(answer -> 'refused'), 1, format('%s: %s is refused', what, outcome)) from refused;
select is_empty('select from send_queue where status <> ''processing''', 'nothing has moved');
select is_empty('select from messages', 'nothing is on record');
select is((select sum(cardinality(dispatched)) from claims), 2::bigint, 'the claims hold what they held');

-- Evidence is taken all the same, and listed: a worker sent what it was not allowed to.
select core.result(core.entry(:'campaign', 2), 'accepted', '{}', :claim);
select is(core.state(core.entry(:'campaign', 2)), 'sent', 'an acceptance is evidence, dispatched or not');
select is((select count(*) from discrepancies
where kind = 'accepted_without_dispatch'), 1::bigint, 'and is listed');

select * from finish();
rollback;
