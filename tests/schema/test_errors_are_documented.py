"""Every SQLSTATE that the schema raises stands in sendonce.sqlstates, and no other.

docs/ERRORS.md is generated from that table; `make generated` says when it is out of date.
"""

import re
from pathlib import Path

from support.database import Connection

SCHEMA = Path(__file__).parents[2] / "sql" / "schema"


def test_the_table_lists_exactly_the_states_that_are_raised(connection: Connection) -> None:
    raised = {
        state
        for file in SCHEMA.glob("*.sql")
        for state in re.findall(r"errcode = '(SO\d{3})'", file.read_text(encoding="utf-8"))
    }
    assert raised
    listed = connection.execute("select sqlstate from sendonce.sqlstates").fetchall()
    assert {state for (state,) in listed} == raised
