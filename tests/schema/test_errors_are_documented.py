"""Every SQLSTATE that the schema raises stands in docs/ERRORS.md, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_lists_exactly_the_states_that_are_raised() -> None:
    raised = {
        state
        for file in (ROOT / "sql" / "schema").glob("*.sql")
        for state in re.findall(r"errcode = '(SO\d{3})'", file.read_text(encoding="utf-8"))
    }
    page = (ROOT / "docs" / "ERRORS.md").read_text(encoding="utf-8")
    assert raised
    assert set(re.findall(r"^\| (SO\d{3}) ", page, flags=re.MULTILINE)) == raised
