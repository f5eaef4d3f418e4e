begin;
select plan(5);

select testing.make_account(testing.make_organization()) as account \gset
select testing.make_campaign(9, :'account') as campaign \gset
-- 1: sent. 2: failed. 3: gave no answer, given up. 4: gave no answer, tried again by a person, then refused.
-- 5: in hand. 6: skipped. 7: refused for now, and tried again later. 8, 9: not handed out yet.
select testing.send(1);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'ambiguous');
select public.resolve_unknown(testing.entry(:'campaign', 3), 'fail');
select testing.send(1, 'ambiguous');
select public.resolve_unknown(testing.entry(:'campaign', 4), 'retry');
select testing.send(1, 'rejected', '135000');
select testing.claim(1) as claim \gset
select public.suppress(testing.organization(:'campaign'), testing.recipient(6), 'all', 'asked for it');
select testing.claim(1);
select public.unsuppress(testing.organization(:'campaign'), testing.recipient(6));
select testing.send(1, 'rejected', '131049');

prepare cloned as
    select q.recipient
    from public.send_queue q
    join public.campaigns c on c.id = q.campaign_id
    where c.cloned_from = :'campaign'
    order by q.recipient;

select is(
    (select string_agg(q.status::text, ' ' order by q.id) from public.send_queue q where q.campaign_id = :'campaign'),
    'sent failed failed failed processing skipped ready ready ready', 'the states are those that the comment names'
);
savepoint before_cloning;
select public.clone_campaign(:'campaign', 'unsent');
select results_eq(
    'cloned', array[testing.recipient(2), testing.recipient(6)],
    'of a running campaign: the refused and the skipped, but nobody who may have got it or may still get it'
);

rollback to before_cloning;
select public.cancel_campaign(:'campaign');
select public.clone_campaign(:'campaign', 'unsent');
select results_eq(
    'cloned', array[testing.recipient(2), testing.recipient(6), testing.recipient(7), testing.recipient(8), testing.recipient(9)],
    'of a cancelled one also those who will not get it any more'
);

rollback to before_cloning;
select public.cancel_campaign(:'campaign');
select public.sweep_cancelled();
select public.release_claim(:claim);
select public.sweep_cancelled();
select public.clone_campaign(:'campaign', 'unsent');
select results_eq(
    'cloned',
    array[
        testing.recipient(2), testing.recipient(5), testing.recipient(6), testing.recipient(7), testing.recipient(8), testing.recipient(9)
    ],
    'swept or not, and the one in hand once it has come back'
);
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
