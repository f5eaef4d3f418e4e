-- The only clock. Every rule about time asks it, so a test that replaces this one function
-- can play a night, a leap over midnight or a lease that ran out.

create function sendonce.now()
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- Not the transaction's start: a caller that waited for a lock must not judge a lease by the
    -- time at which it began to wait.
    return pg_catalog.clock_timestamp();
end;
$$;

comment on function sendonce.now() is
    'Called by every function and trigger that needs the time. Returns the wall clock, moving within a transaction. Raises nothing.';
