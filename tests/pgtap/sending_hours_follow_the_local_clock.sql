-- Sending hours are what people's clocks show, across midnight and on the two days on which clocks change.
begin;
select plan(33);

create function pg_temp.is_open(_start time, _end time, _zone text, _at timestamptz)
returns boolean
language sql
stable
set search_path = ''
as $$
    select sendonce.window_is_open(_start, _end, _zone, _at);
$$;
create function pg_temp.opens(_start time, _end time, _zone text, _at timestamptz)
returns text
language sql
stable
set search_path = ''
as $$
    select to_char(sendonce.next_window_opening(_start, _end, _zone, _at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI');
$$;

-- An ordinary day in Berlin, two hours ahead in summer.
select ok(not pg_temp.is_open('08:00', '20:00', 'Europe/Berlin', '2026-07-01 05:59:59+00'), 'before the hours');
select ok(pg_temp.is_open('08:00', '20:00', 'Europe/Berlin', '2026-07-01 06:00:00+00'), 'from the start on');
select ok(pg_temp.is_open('08:00', '20:00', 'Europe/Berlin', '2026-07-01 17:59:59+00'), 'until just before the end');
select ok(not pg_temp.is_open('08:00', '20:00', 'Europe/Berlin', '2026-07-01 18:00:00+00'), 'not at the end');
select is(pg_temp.opens('08:00', '20:00', 'Europe/Berlin', '2026-07-01 05:00+00'), '2026-07-01 06:00', 'they open the same day');
select is(pg_temp.opens('08:00', '20:00', 'Europe/Berlin', '2026-07-01 18:00+00'), '2026-07-02 06:00', 'or the next');
select is(pg_temp.opens('08:00', '20:00', 'Europe/Berlin', '2026-07-01 12:00+00'), null, 'while they last they do not open');
select ok(pg_temp.is_open(null, null, 'Europe/Berlin', '2026-07-01 00:00+00'), 'no hours are all hours');

-- Across midnight.
select ok(pg_temp.is_open('22:00', '02:00', 'UTC', '2026-07-01 23:30+00'), 'across midnight: before it');
select ok(pg_temp.is_open('22:00', '02:00', 'UTC', '2026-07-02 01:59:59+00'), 'and after it');
select ok(not pg_temp.is_open('22:00', '02:00', 'UTC', '2026-07-02 02:00+00'), 'until the end');
select is(pg_temp.opens('22:00', '02:00', 'UTC', '2026-07-02 02:00+00'), '2026-07-02 22:00', 'to open in the evening');
select ok(pg_temp.is_open('22:00', '02:00', 'Asia/Kolkata', '2026-07-01 17:00+00'), 'in a zone of half an hour, 22:30');
select is(pg_temp.opens('22:00', '02:00', 'Asia/Kathmandu', '2026-07-01 12:00+00'), '2026-07-01 16:15', 'and of a quarter');

-- 29 March 2026, Berlin: 02:00 becomes 03:00, at 01:00 UTC.
select is(pg_temp.opens('08:00', '20:00', 'Europe/Berlin', '2026-03-28 20:00+00'), '2026-03-29 06:00', 'spring: eight o''clock comes an hour earlier');
select ok(not pg_temp.is_open('08:00', '20:00', 'Europe/Berlin', '2026-03-29 05:59+00'), 'not before');
select ok(pg_temp.is_open('01:30', '04:00', 'Europe/Berlin', '2026-03-29 00:59+00'), 'hours around the leap: before it');
select ok(pg_temp.is_open('01:30', '04:00', 'Europe/Berlin', '2026-03-29 01:00+00'), 'and after it');
select ok(not pg_temp.is_open('01:30', '04:00', 'Europe/Berlin', '2026-03-29 02:00+00'), 'to their end by the clock, an hour shorter');
select is(pg_temp.opens('02:30', '05:00', 'Europe/Berlin', '2026-03-29 00:00+00'), '2026-03-29 01:00', 'an opening that the clock leaps over is the leap');
select is(
    pg_temp.opens('02:15', '02:45', 'Europe/Berlin', '2026-03-29 00:00+00'), '2026-03-30 00:15', 'hours that the clock leaps over are those of the next day'
);
select ok(pg_temp.is_open('22:00', '06:00', 'Europe/Berlin', '2026-03-29 03:59+00'), 'a night is an hour shorter');
select ok(not pg_temp.is_open('22:00', '06:00', 'Europe/Berlin', '2026-03-29 04:00+00'), 'and ends by the clock');

-- 25 October 2026, Berlin: 03:00 becomes 02:00, at 01:00 UTC.
select is(pg_temp.opens('08:00', '20:00', 'Europe/Berlin', '2026-10-24 20:00+00'), '2026-10-25 07:00', 'autumn: eight o''clock comes an hour later');
select ok(pg_temp.is_open('02:00', '02:30', 'Europe/Berlin', '2026-10-25 00:15+00'), 'an hour that comes twice: the first time');
select ok(not pg_temp.is_open('02:00', '02:30', 'Europe/Berlin', '2026-10-25 00:45+00'), 'over');
select ok(pg_temp.is_open('02:00', '02:30', 'Europe/Berlin', '2026-10-25 01:15+00'), 'and the second time');
select is(pg_temp.opens('02:00', '02:30', 'Europe/Berlin', '2026-10-24 22:00+00'), '2026-10-25 00:00', 'it opens with the first');
select is(pg_temp.opens('02:00', '02:30', 'Europe/Berlin', '2026-10-25 00:40+00'), '2026-10-25 01:00', 'and then with the second');
select is(pg_temp.opens('02:00', '02:30', 'Europe/Berlin', '2026-10-25 01:40+00'), '2026-10-26 01:00', 'and then the next day');
-- New York and Lord Howe, where the clock moves by half an hour.
select is(pg_temp.opens('02:30', '06:00', 'America/New_York', '2026-03-08 06:00+00'), '2026-03-08 07:00', 'New York leaps on its own day');
select is(pg_temp.opens('02:15', '06:00', 'Australia/Lord_Howe', '2026-10-03 12:00+00'), '2026-10-03 15:30', 'Lord Howe by half an hour');

-- What is told is true: minute by minute through both changes, they open at the first minute at which they are open.
select is_empty(
    $$
    select w.start_at, m.at, sendonce.next_window_opening(w.start_at, w.end_at, 'Europe/Berlin', m.at), first_open.at
    from (values ('02:30'::time, '04:00'::time), ('23:45', '02:15'), ('01:00', '02:45'), ('02:15', '02:30')) w(start_at, end_at)
    cross join (
        select generate_series('2026-03-28 22:00+00'::timestamptz, '2026-03-29 04:00+00', '5 minutes') as at
        union all
        select generate_series('2026-10-24 22:00+00'::timestamptz, '2026-10-25 04:00+00', '5 minutes')
    ) m
    cross join lateral (
        select min(later.at) as at
        from generate_series(m.at, m.at + interval '2 days', '5 minutes') later(at)
        where sendonce.window_is_open(w.start_at, w.end_at, 'Europe/Berlin', later.at)
    ) first_open
    where sendonce.next_window_opening(w.start_at, w.end_at, 'Europe/Berlin', m.at) is distinct from nullif(first_open.at, m.at)
    $$, 'at every minute of both nights the next opening is the first minute at which they are open'
);

select * from finish();
rollback;
