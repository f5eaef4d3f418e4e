"""A world of two sessions for each test."""

from collections.abc import Iterator

import pytest

from races.sessions import World
from support.database import Database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """The test's own database with the fixtures of the core path, and its sessions."""
    world = World(database)
    try:
        yield world
    finally:
        world.close()
