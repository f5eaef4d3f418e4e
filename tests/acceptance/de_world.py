"""A database with the fixtures of the core path and a clock that dashboards may read as well."""

from collections.abc import Iterator
from contextlib import contextmanager

from races.sessions import World
from support.database import Database


@contextmanager
def open_world(database: Database) -> Iterator[World]:
    """The world of the race tests; its clock is a table, which here every role may read."""
    world = World(database)
    try:
        world.owner.execute("grant select on core.clock to public")
        yield world
    finally:
        world.close()
