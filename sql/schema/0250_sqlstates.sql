-- The SQLSTATEs that the functions and guards of this schema raise. Nothing reads the table at run time:
-- it is where a program looks up a code, and what docs/ERRORS.md is made of.

create table sendonce.sqlstates (
    sqlstate text primary key,
    raised_when text not null,
    remedy text not null,
    constraint sqlstate_is_ours check (sqlstate ~ '^SO[0-9]{3}$')
);

comment on table sendonce.sqlstates is 'Every SQLSTATE of Sendonce: when it is raised and what to do.';

insert into sendonce.sqlstates (sqlstate, raised_when, remedy)
values
    ('SO001', 'tables or types of our names, not ours, exist where the schema is to be installed; nothing was changed', 'move them to another schema, or take a database of its own'),
    ('SO002', 'the schema is installed already; nothing was changed', 'upgrade by migrations, or take a fresh database'),
    ('SO003', 'the caller is no member of the organization with the role that this needs', 'an admin calls `set_member`'),
    ('SO004', 'no such campaign, account, template, entry or organization, or not visible to the caller', 'check the id and the organization'),
    ('SO005', 'an argument cannot be used; the detail says which and why', 'pass what the hint names'),
    ('SO006', 'the state of the campaign or entry does not allow this', 'see the hint for the states in which it is possible'),
    ('SO007', 'an illegal transition of a campaign, an entry or an attempt', 'call the public functions instead of writing tables'),
    ('SO008', 'something that never changes would change: an identity, a WAMID, an attempt''s rate', 'add another row instead'),
    ('SO009', 'deletion or truncation of a table that holds the record', 'cancel instead of deleting'),
    ('SO010', 'a campaign or an entry would start in an illegal state', '`create_campaign`, `add_recipients`, `send_message`'),
    ('SO011', 'counters or cost would be written directly', 'nothing needs to write them; `repair_campaign` where `verify_invariants()` lists a difference'),
    ('SO020', 'the claim is gone: closed, or it ran out and was taken back', 'start nothing of it; record the results of requests already running'),
    ('SO021', 'the lease of the claim is over', 'the same; renew earlier, or give the account a longer lease'),
    ('SO030', 'an idempotency key was used for another message', 'use a new key, or send the same message');
