"""What takes one guard away, and the file that has to notice."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from support.database import Connection


@dataclass(frozen=True)
class Mutation:
    """One guard less."""

    guard: str
    """What it guards, in words."""
    file: str
    """The pgTAP file that must fail without it, without `.sql`."""
    statements: tuple[str, ...] = ()
    """SQL that takes it away."""
    replaced: tuple[tuple[str, str, str], ...] = ()
    """Function, text in its source, and what stands there instead; each text exactly once."""
    raises: bool = False
    """True where the loss shows as an error of the database that ends the file, as nothing but
    another guard of the database stands between."""

    def script(self, connection: Connection) -> Iterator[str]:
        """Yield the statements that take the guard away."""
        yield from self.statements
        sources: dict[str, str] = {}
        for function, old, new in self.replaced:
            source = sources.get(function) or function_source(connection, function)
            assert source.count(old) == 1, (
                f"{function} has {source.count(old)} times the text {old!r}: "
                "say in tests/guards what its guard looks like now"
            )
            sources[function] = source.replace(old, new)
        yield from (f"{source};" for source in sources.values())


def function_source(connection: Connection, name: str) -> str:
    """Return `create or replace function …` of the only function of this name."""
    rows = connection.execute(
        "select pg_get_functiondef(p.oid) from pg_proc p "
        "where p.pronamespace::regnamespace || '.' || p.proname = %s",
        [name],
    ).fetchall()
    if len(rows) != 1:
        raise psycopg.ProgrammingError(f"{len(rows)} functions are named {name}")
    return str(rows[0][0])
