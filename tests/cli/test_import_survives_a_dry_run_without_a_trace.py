"""``sendonce import --dry-run``: it says what the import then says, and leaves nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cli.breaking_support import FLAGS, number, running
from cli.import_support import Draft, made
from support.database import Connection, Database

PEOPLE = 1_000


@pytest.fixture
def draft(database: Database, connection: Connection) -> Draft:
    return made(database, connection, ("name",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A list with what may go wrong, scattered over several chunks."""
    draw = random.Random(7)
    lines = []
    for _ in range(2 * PEOPLE):
        person = draw.randrange(PEOPLE)
        kind = draw.random()
        given = "nobody" if kind < 0.03 else number(person)
        name = "" if 0.03 < kind < 0.1 else f"Contact {person}"
        lines.append(f"{given},{name}")
    file = tmp_path / "lists" / "list.csv"
    file.parent.mkdir()
    file.write_text("\n".join(["phone,name", *lines, ""]))
    return file


def told_by(draft: Draft, file: Path, *flags: str) -> dict[str, object]:
    answer = draft.imports(file, *FLAGS, "--json", *flags)
    assert (answer.code, answer.stderr) == (1, "")
    said = answer.json()
    assert isinstance(said, dict)
    return {key: value for key, value in said.items() if key not in ("dry_run", "rejects_file")}


def traces(draft: Draft) -> object:
    return draft.connection.execute(
        "select (select count(*) from public.send_queue),"
        " (select count(*) from public.campaign_events),"
        " (select to_jsonb(c) from public.campaigns c)"
    ).fetchall()


def test_a_dry_run_counts_as_the_import_does_and_leaves_nothing(
    draft: Draft, file: Path, tmp_path: Path
) -> None:
    for person in range(0, PEOPLE, 10):
        draft.connection.execute(
            "select public.suppress(%s, %s, 'all', 'asked')",
            [draft.organization, number(person)],
        )
    draft.connection.execute(
        "select public.add_recipients(%s, jsonb_build_array(jsonb_build_object("
        "'recipient', %s::text, 'variables', '{\"name\": \"x\"}'::jsonb)))",
        [draft.campaign, number(5)],
    )
    before = traces(draft)
    foreseen = told_by(draft, file, "--dry-run")
    assert traces(draft) == before
    assert [path.name for path in file.parent.iterdir()] == ["list.csv"]

    happened = told_by(draft, file)
    assert foreseen == happened
    assert 0 < happened["suppressed"] < happened["added"] < happened["rows"]  # type: ignore[operator]
    assert happened["duplicate"] > happened["rejected"] > 0  # type: ignore[operator]


def test_rejected_rows_come_in_the_order_of_the_list(draft: Draft, file: Path) -> None:
    rejects = file.parent / "wrong.csv"
    told_by(draft, file, "--rejects", str(rejects))
    rows = [int(line.split(",")[0]) for line in rejects.read_text("utf-8-sig").splitlines()[1:]]
    assert len(rows) > 100
    assert rows == sorted(set(rows))


def test_a_dry_run_that_is_interrupted_leaves_nothing(draft: Draft, file: Path) -> None:
    before = traces(draft)
    # A dry run looks every number up among the suppressions.
    with draft.database.connect() as other, running(draft, file, "--dry-run") as import_:
        other.execute("begin")
        other.execute("lock table public.suppressions in access exclusive mode")
        import_.wait_until(
            lambda: draft.value(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
                " and application_name = 'sendonce' and datname = current_database())"
            )
        )
        said = import_.interrupted()
        other.execute("rollback")
    assert said.code == 130
    assert "Traceback" not in said.stderr
    assert traces(draft) == before
    assert [path.name for path in file.parent.iterdir()] == ["list.csv"]
