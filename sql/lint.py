"""Check the style of the SQL, inside the functions' bodies too.

    python sql/lint.py

sqlfluff (.sqlfluff) checks the statements, but takes a function's body for one long literal and
does not read plpgsql. So what the project's readers rely on is checked here, everywhere: keywords
in lowercase, no tabs, no blanks at the end of a line, lines that fit on a screen, and
`set search_path = ''` on every function. What a body means is plpgsql_check's business, in
tests/schema. Exit code 1 when anything is found.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlfluff.core.dialects import dialect_selector

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("sql", "supabase", "tests", "bench")
# Written for psql, whose variables and commands sqlfluff does not read.
FOR_PSQL: Final = (ROOT / "tests", ROOT / "sql" / "ops")
# Made from sql/schema, which is checked itself.
GENERATED: Final = ROOT / "supabase" / "migrations"
LONGEST_LINE: Final = 150

_FUNCTION: Final = re.compile(
    r"create (?:or replace )?(?:function|procedure)\s+(?P<name>[\w.]+)"
    r"(?P<head>.*?)\bas\s+(?P<quote>\$\w*\$)(?P<body>.*?)(?P=quote)(?P<tail>[^;]*);",
    re.DOTALL | re.IGNORECASE,
)
# Comments, strings and quoted names: what stands in them is nobody's keyword.
_NOT_CODE: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|[eE]?'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL
)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def keywords() -> frozenset[str]:
    """Return PostgreSQL's keywords and plpgsql's own, in uppercase."""
    postgres = dialect_selector("postgres")
    known = postgres.sets("reserved_keywords") | postgres.sets("unreserved_keywords")
    plpgsql = "IF ELSIF LOOP WHILE FOREACH RAISE PERFORM EXCEPTION DECLARE EXIT CONTINUE FOUND"
    return frozenset({*known, *plpgsql.split()})


def files() -> list[Path]:
    """Return every SQL file that a person writes."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.sql")
        if GENERATED not in path.parents and "node_modules" not in path.parts
    )


def blank_out(text: str) -> str:
    """Return the text with all that is not code as blanks, line by line as before."""
    return _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def findings_in(text: str, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and finding."""
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line:
            yield number, "a tab; indent with 4 blanks"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        # A sentence in quotes, such as a comment on a function, is not broken for its length.
        length = len(_NOT_CODE.sub("''", line))
        if length > LONGEST_LINE:
            yield number, f"{length} characters without what is quoted; at most {LONGEST_LINE}"
    for number, line in enumerate(blank_out(text).splitlines(), 1):
        for match in _WORD.finditer(line):
            word = match.group()
            if word != word.lower() and word.upper() in known:
                yield number, f"{word}: keywords are in lowercase"
    for function in _FUNCTION.finditer(text):
        clauses = f"{function['head']} {function['tail']}"
        if not re.search(r"set search_path = ''", clauses):
            number = text.count("\n", 0, function.start()) + 1
            yield number, f"{function['name']} lacks set search_path = ''"


def main() -> int:
    """Check all files; return the exit code."""
    all_files = files()
    if not all_files:
        print("lint: no SQL file was found", file=sys.stderr)
        return 1
    known = keywords()
    found = 0
    for path in all_files:
        text = path.read_text(encoding="utf-8")
        for number, finding in sorted(findings_in(text, known)):
            print(f"{path.relative_to(ROOT)}:{number}: {finding}")
            found += 1
    sqlfluff = Path(sysconfig.get_path("scripts")) / "sqlfluff"
    statements = subprocess.run(
        [
            sqlfluff,
            "lint",
            "--disable-progress-bar",
            "--nofail",
            *(str(path) for path in all_files if not set(FOR_PSQL) & set(path.parents)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = statements.stdout + statements.stderr
    violations = statements.returncode != 0 or re.search(r"^L:\s*\d+", report, re.MULTILINE)
    if violations:
        print(report)
    print(f"{len(all_files)} SQL files checked, {found} findings, sqlfluff ", end="")
    print("found something" if violations else "found nothing")
    return 1 if found or violations else 0


if __name__ == "__main__":
    sys.exit(main())
