"""An import that the database refuses before the first row says so as every command does."""

from __future__ import annotations

from cli.command import refusal, sendonce
from support.database import Database


def test_who_may_read_no_campaign_is_told_so_in_one_line(database: Database) -> None:
    # A worker's login reads no table.
    line = refusal(
        sendonce("import", "-", "--campaign", "Spring", url=database.worker_url, stdin=b"phone\n")
    )
    assert "permission denied" in line
    assert line.endswith("[42501]")
