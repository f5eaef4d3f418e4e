begin;
select plan(7);

select timestamptz '2026-06-30 12:00+00' as received \gset
select is(sendonce.provider_time('1782820000', :'received'), timestamptz '2026-06-30 11:46:40+00', 'seconds');
select is(sendonce.provider_time('1782820000500', :'received'), timestamptz '2026-06-30 11:46:40.5+00', 'milliseconds');
select is(sendonce.provider_time('1782900000', :'received'), :'received'::timestamptz, 'never later than it was received');
select is(sendonce.provider_time('100000000', :'received'), :'received'::timestamptz, 'nor in 1973');
select is(sendonce.provider_time('1782820', :'received'), :'received'::timestamptz, 'nor in 1970');
select is(sendonce.provider_time('soon', :'received'), :'received'::timestamptz, 'what is no time is the time of receipt');
select is(sendonce.provider_time(null, :'received'), :'received'::timestamptz, 'so is none');

select * from finish();
rollback;
