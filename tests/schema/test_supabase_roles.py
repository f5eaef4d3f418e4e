"""The two kinds of project that the other tests install into differ as they should."""

from schema.conftest import Project
from support.database import Connection


def test_the_api_enters_new_objects_only_where_that_is_the_default(
    project: Project, project_connection: Connection
) -> None:
    project_connection.execute(
        "create table public.fresh (id integer);"
        "create function public.fresh() returns integer language sql return 1;"
    )
    for role in ("anon", "authenticated", "service_role"):
        row = project_connection.execute(
            "select has_table_privilege(%(role)s, 'public.fresh', 'insert'),"
            " exists (select from pg_proc p, aclexplode(p.proacl) a"
            " where p.oid = 'public.fresh'::regproc and a.grantee = %(role)s::regrole)",
            {"role": role},
        ).fetchone()
        granted = project.default_privileges == "granted"
        assert row == (granted, granted)


def test_its_owner_is_no_superuser(project_connection: Connection) -> None:
    row = project_connection.execute(
        "select rolsuper, rolcreaterole from pg_roles where rolname = current_user"
    ).fetchone()
    assert row == (False, True)
