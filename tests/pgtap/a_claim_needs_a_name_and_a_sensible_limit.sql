begin;
select plan(6);

select throws_ok('select claim_messages('''')', 'SO005', null, 'an empty name is refused');
select throws_ok('select claim_messages(null)', 'SO005', null, 'none is refused');
select throws_ok('select claim_messages(''w'', null, 0)', 'SO005', null, 'a limit of 0 is refused');
select throws_ok('select claim_messages(''w'', null, 1001)', 'SO005', null, 'a limit of 1,001 is refused');
select throws_ok('select claim_messages(''w'', null, null)', 'SO005', null, 'no limit is refused');
select lives_ok('select claim_messages(''w'', null, 1000)', '1,000 is taken');

select * from finish();
rollback;
