"""Whatever several sessions do at once, no invariant breaks and nobody gets a second message."""

import threading

import pytest

from concurrency.random_sessions import Session, make_world
from support.database import Database

_WORKING = {"send": 10, "sweep": 2, "report": 3}
_DECIDING = {"campaign": 3, "decide": 6, "administer": 2, "report": 2, "sweep": 2}


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_at_once(database: Database, seed: int) -> None:
    """Four workers and two people at random, with somebody who verifies all the while."""
    with database.connect() as connection:
        world = make_world(connection)
        Session(world, connection, seed).run(10, {"campaign": 1})
    violations: list[object] = []
    looks = 0
    done = threading.Event()

    def work(number: int) -> None:
        with database.connect() as connection:
            moves = _WORKING if number < 4 else _DECIDING
            Session(world, connection, 100 * seed + number).run(150, moves)

    def verify() -> None:
        nonlocal looks
        with database.connect() as connection:
            while not done.wait(0.1):
                violations.extend(connection.execute("select verify_invariants()").fetchall())
                looks += 1

    sessions = [threading.Thread(target=work, args=[number]) for number in range(6)]
    verifier = threading.Thread(target=verify)
    for thread in (*sessions, verifier):
        thread.start()
    for thread in sessions:
        thread.join()
    done.set()
    verifier.join()

    with database.connect() as connection:
        violations.extend(connection.execute("select verify_invariants()").fetchall())
        statuses = {
            row[0] for row in connection.execute("select distinct status::text from send_queue")
        }
    assert world.surprises == []
    assert violations == []
    assert looks > 0
    assert world.provider.sent_twice == []
    # Else the walk was too short to mean anything.
    assert {"sent", "failed", "ready"} <= statuses
    assert len(world.provider.dispatched) > 100
