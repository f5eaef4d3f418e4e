"""What a run leaves behind that found something: enough to see what happened, and to replay it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from proof.chaos.audit import Audit
from proof.chaos.settings import ChaosSettings
from proof.chaos.stack import Stack

#: Tables written as CSV, each whole.
_TABLES: Final = (
    "public.send_queue",
    "public.messages",
    "public.claims",
    "public.campaigns",
    "public.campaign_events",
    "public.provider_accounts",
    "public.templates",
    "public.suppressions",
    "public.discrepancies",
    "public.workers",
    "sendonce.report_log",
    "sendonce.campaign_cursors",
)


def replay_command(settings: ChaosSettings) -> str:
    """The command line that draws the same again, from the checkout."""
    words = [
        "PYTHONPATH=tests",
        ".venv/bin/python",
        "-m",
        "proof.chaos",
        f"--seed={settings.seed}",
        f"--minutes={settings.seconds / 60:g}",
        f"--campaign-size={settings.campaign_size}",
        f"--rate={settings.rate:g}",
        f"--gap={settings.gap:g}",
    ]
    if settings.contacts is not None:
        words.append(f"--contacts={settings.contacts}")
    return shlex.join(words)


def write_settings(directory: Path, settings: ChaosSettings) -> None:
    """Seed and command line, before anything begins."""
    document = {"replay": replay_command(settings), **asdict(settings)}
    (directory / "settings.json").write_text(json.dumps(document, indent=2), encoding="utf-8")


def write_result(directory: Path, document: dict[str, Any]) -> None:
    """What the audit found."""
    text = json.dumps(document, indent=2, default=str)
    (directory / "result.json").write_text(text, encoding="utf-8")


def write_rows(directory: Path, stack: Stack, audit: Audit) -> None:
    """The whole database as a dump and as CSV; the requests for the entries in question."""
    with stack.connect() as connection:
        _write_tables(directory, connection)
    numbers = {finding.entry_id for finding in audit.findings if finding.entry_id is not None}
    _write_requests(directory, stack, sorted(numbers))
    program = stack.database.postgres.installation.programs / "pg_dump"
    if program.exists():
        answer = subprocess.run(
            [str(program), "--dbname", stack.database.owner_url, "--format=custom"],
            stdout=(directory / "database.dump").open("wb"),
            stderr=subprocess.PIPE,
            env=stack.database.postgres.installation.environment(),
            check=False,
        )
        if answer.returncode != 0:
            print(f"chaos: pg_dump failed: {answer.stderr.decode()}", file=sys.stderr)


def _write_tables(directory: Path, connection: psycopg.Connection[Any]) -> None:
    for table in _TABLES:
        name = sql.Identifier(*table.split("."))
        known = connection.execute("select to_regclass(%s)", [table]).fetchone()
        if known is None or known[0] is None:
            continue
        with (
            (directory / f"{table}.csv").open("wb") as file,
            connection.cursor().copy(
                sql.SQL("copy {} to stdout (format csv, header)").format(name)
            ) as copy,
        ):
            for block in copy:
                file.write(block)


def _write_requests(directory: Path, stack: Stack, entries: Sequence[int]) -> None:
    wanted = set(entries)
    with (directory / "requests-in-question.ndjson").open("w", encoding="utf-8") as file:
        for line in stack.simulator.control.ledger():
            parts = (line["reference"] or "").split(":")
            if len(parts) == 4 and int(parts[2]) in wanted:
                file.write(json.dumps(line) + "\n")
