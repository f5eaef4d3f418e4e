"""The lint of our own finds what it is there for."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

FUNCTION = """\
create function sendonce.example(_one integer)
returns integer
language plpgsql
set search_path = ''
as $$
begin
    -- IF stands in a comment, and 'IF' in a string.
    return case when _one > 1 then 'IF'::text is null else "IF" end;
end;
$$;
"""


@pytest.fixture(scope="module")
def lint() -> ModuleType:
    specification = importlib.util.spec_from_file_location("lint", ROOT / "sql/lint.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def findings(lint: ModuleType, text: str) -> list[str]:
    return [finding for _, finding in lint.findings_in(text, lint.keywords())]


def test_nothing_in_a_function_as_it_should_be(lint: ModuleType) -> None:
    assert findings(lint, FUNCTION) == []


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("    return", "    RETURN", "RETURN: keywords are in lowercase"),
        ("    return", "\treturn", "a tab"),
        ("begin\n", "begin \n", "blanks at the end"),
        ("set search_path = ''\n", "", "lacks set search_path"),
        ("_one > 1", f"_one > {'1 + ' * 40} 1", "characters"),
    ],
)
def test_what_is_wrong_inside_a_body_is_found(
    lint: ModuleType, good: str, bad: str, said: str
) -> None:
    (finding,) = findings(lint, FUNCTION.replace(good, bad, 1))
    assert said in finding


def test_the_projects_own_files_are_looked_at(lint: ModuleType) -> None:
    names = {path.relative_to(ROOT).parts[0] for path in lint.files()}
    assert {"sql", "supabase", "tests"} <= names
