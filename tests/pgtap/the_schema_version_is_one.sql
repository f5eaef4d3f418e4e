begin;
select plan(3);

select has_function('public', 'schema_version', array[]::text[], 'programs can ask for the version');
select is(public.schema_version(), 1, 'this schema is version 1');

set local role sendonce_worker;
select is(public.schema_version(), 1, 'a worker may ask too');

select * from finish();
rollback;
