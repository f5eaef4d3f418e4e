"""What a database's catalog says about the schema, in a form two databases can be compared by.

Names, definitions, comments, settings, owners and privileges of everything outside the system's
schemas, row by row as text. The owner is called `<owner>`, whoever it is, and privileges stand in
order, so that two installations differ only where they do.
"""

from collections.abc import Mapping
from typing import Final

import psycopg

from support.database import Connection

Catalog = dict[str, str]

# Not ours: the system's, Supabase's own, and the tests'.
_SCHEMAS: Final = """
    n.nspname not in ('information_schema', 'extensions', 'supabase_migrations', 'tap')
    and n.nspname !~ '^pg_'
"""

_ACL: Final = """(
    select coalesce(string_agg(
        concat(
            case when a.grantee = {owner} then '<owner>'
                when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
            '=', a.privilege_type, case when a.is_grantable then '*' end
        ), ', ' order by case when a.grantee = {owner} then '<owner>'
            when a.grantee = 0 then 'public' else a.grantee::regrole::text end collate "C",
            a.privilege_type collate "C"
    ), 'nobody')
    from aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) a
)"""


def _acl(column: str, owner: str, kind: str) -> str:
    return _ACL.format(acl=column, owner=owner, kind=kind)


def _comment(catalog: str, column: str = "oid") -> str:
    return f"obj_description({column}, '{catalog}')"


# Each query gives the kind of thing, its name, and all that is said about it.
_QUERIES: Final[Mapping[str, str]] = {
    "schema": f"""
        select n.nspname, jsonb_build_object(
            'comment', {_comment("pg_namespace", "n.oid")},
            -- Who may use public is a matter of how the database was born.
            'acl', case when n.nspname <> 'public' then {_acl("n.nspacl", "n.nspowner", "n")} end
        )
        from pg_namespace n where {_SCHEMAS}
    """,
    "relation": f"""
        select c.oid::regclass::text, jsonb_build_object(
            'kind', c.relkind, 'persistence', c.relpersistence, 'options', c.reloptions,
            'row security', c.relrowsecurity, 'forced', c.relforcerowsecurity,
            'replica identity', c.relreplident,
            'bound', pg_get_expr(c.relpartbound, c.oid), 'key', pg_get_partkeydef(c.oid),
            'view', case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
            'comment', {_comment("pg_class", "c.oid")},
            'acl', case when c.relkind = 'S' then {_acl("c.relacl", "c.relowner", "s")}
                else {_acl("c.relacl", "c.relowner", "r")} end
        )
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS} and c.relkind not in ('i', 'I', 't')
    """,
    "column": f"""
        select format('%s.%s', c.oid::regclass, a.attname), jsonb_build_object(
            'number', a.attnum, 'type', format_type(a.atttypid, a.atttypmod),
            'not null', a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
            'identity', a.attidentity, 'generated', a.attgenerated,
            'collation', a.attcollation::regcollation::text,
            'statistics', nullif(a.attstattarget, -1), 'storage', a.attstorage,
            -- From 15.20 on the server keeps a number of its own among the options.
            'options', (
                select jsonb_agg(o order by o) from unnest(a.attoptions) o where o !~ '^pg_'
            ),
            'acl', a.attacl::text,
            'comment', col_description(c.oid, a.attnum)
        )
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where {_SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f')
            and a.attnum > 0 and not a.attisdropped
    """,
    "constraint": f"""
        select format('%s on %s', k.conname, case when k.conrelid = 0
            then k.contypid::regtype::text else k.conrelid::regclass::text end),
            jsonb_build_object(
                'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
                'comment', {_comment("pg_constraint", "k.oid")}
            )
        from pg_constraint k join pg_namespace n on n.oid = k.connamespace where {_SCHEMAS}
    """,
    "index": f"""
        select c.oid::regclass::text, jsonb_build_object(
            'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid,
            'clustered', i.indisclustered, 'replica identity', i.indisreplident,
            'comment', {_comment("pg_class", "c.oid")}
        )
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}
    """,
    "trigger": f"""
        select format('%s on %s', t.tgname, c.oid::regclass), jsonb_build_object(
            'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
            'comment', {_comment("pg_trigger", "t.oid")}
        )
        from pg_trigger t
        join pg_class c on c.oid = t.tgrelid
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS} and not t.tgisinternal
    """,
    "function": f"""
        select p.oid::regprocedure::text, jsonb_build_object(
            'definition', case when p.prokind = 'a' then 'an aggregate'
                else pg_get_functiondef(p.oid) end,
            'comment', {_comment("pg_proc", "p.oid")},
            'acl', {_acl("p.proacl", "p.proowner", "f")}
        )
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {_SCHEMAS}
    """,
    "type": f"""
        select t.oid::regtype::text, jsonb_build_object(
            'kind', t.typtype, 'base', format_type(nullif(t.typbasetype, 0), t.typtypmod),
            'labels', (
                select jsonb_agg(e.enumlabel order by e.enumsortorder)
                from pg_enum e where e.enumtypid = t.oid
            ),
            'comment', {_comment("pg_type", "t.oid")},
            'acl', {_acl("t.typacl", "t.typowner", "T")}
        )
        from pg_type t join pg_namespace n on n.oid = t.typnamespace where {_SCHEMAS}
    """,
    "policy": f"""
        select format('%s on %s', p.polname, c.oid::regclass), jsonb_build_object(
            'command', p.polcmd, 'permissive', p.polpermissive,
            'roles', (
                select jsonb_agg(case when r = 0 then 'public' else r::regrole::text end)
                from unnest(p.polroles) r
            ),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid)
        )
        from pg_policy p
        join pg_class c on c.oid = p.polrelid
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}
    """,
    "sequence": f"""
        select c.oid::regclass::text, jsonb_build_object(
            'type', format_type(s.seqtypid, null), 'start', s.seqstart, 'by', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle
        )
        from pg_sequence s
        join pg_class c on c.oid = s.seqrelid
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS}
    """,
    "statistics": f"""
        select s.stxname, jsonb_build_object('definition', pg_get_statisticsobjdef(s.oid))
        from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where {_SCHEMAS}
    """,
    "rule": f"""
        select format('%s on %s', r.rulename, c.oid::regclass), jsonb_build_object(
            'definition', pg_get_ruledef(r.oid)
        )
        from pg_rewrite r
        join pg_class c on c.oid = r.ev_class
        join pg_namespace n on n.oid = c.relnamespace
        where {_SCHEMAS} and r.rulename <> '_RETURN'
    """,
    "event trigger": """
        select e.evtname, jsonb_build_object('event', e.evtevent, 'enabled', e.evtenabled)
        from pg_event_trigger e
    """,
    "extension": """
        select e.extname, jsonb_build_object('schema', e.extnamespace::regnamespace::text)
        from pg_extension e
    """,
}


def read_catalog(connection: Connection) -> Catalog:
    """Return everything, by kind and name."""
    catalog: Catalog = {}
    with connection.transaction(force_rollback=True):
        # Every name is written with its schema, whatever the session would find without.
        connection.execute("set local search_path = ''")
        for kind, query in _QUERIES.items():
            for name, facts in connection.execute(query.encode()):
                catalog[f"{kind} {name}"] = str(facts)
    return catalog


def rows_of_reference_tables(connection: Connection) -> Catalog:
    """Return the rows that the installation itself puts into tables, as text."""
    rows: Catalog = {}
    tables = connection.execute(
        "select c.oid::regclass::text from pg_class c"
        # Which server a database lives on is its own affair.
        " where c.relkind = 'r' and c.relname <> 'database_identity'"
        " and c.relnamespace in ('public'::regnamespace, 'sendonce'::regnamespace)"
    ).fetchall()
    for (table,) in tables:
        query = psycopg.sql.SQL(
            "select string_agg(t::text, E'\\n' order by t::text collate \"C\") from {} t"
        ).format(psycopg.sql.SQL(table))
        found = connection.execute(query).fetchone()
        rows[f"rows of {table}"] = str(found[0] if found else None)
    return rows


def differences(one: Catalog, other: Catalog) -> list[str]:
    """Return what stands in only one of them, or differs, in words."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        if name not in other:
            found.append(f"only in the first: {name}")
        elif name not in one:
            found.append(f"only in the second: {name}")
        elif one[name] != other[name]:
            found.append(f"{name}:\n  {one[name]}\n  {other[name]}")
    return found
