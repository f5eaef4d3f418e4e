"""Run the pgTAP files with pg_prove against a fresh database.

    python tests/pgtap/run.py [--server 15|17|18|all] [file ...]

Without `--server` the PostgreSQL is the one that pytest would use (support/postgres_source.py);
with `all` the files run on all versions, side by side.
Every file runs in one transaction that it rolls back, so the files do not see one another.
Exit code 0 when every file passed, 1 when one failed or none ran, 2 for a wrong call.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from psycopg.conninfo import conninfo_to_dict  # noqa: E402

from sendonce.local.debian_packages import pg_prove, pgtap, server_major  # noqa: E402
from sendonce.local.postgres import LocalPostgres  # noqa: E402
from sendonce.local.postgres_sources import find_installation  # noqa: E402
from support.database import Database  # noqa: E402
from support.postgres_source import postgres_source  # noqa: E402
from support.template import template_database  # noqa: E402

SERVERS: Final = (15, 17, 18)

# A sentence: at least three words.
SENTENCE: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+){2,}\.sql")


class PgtapError(RuntimeError):
    """The files cannot be run; the message says why."""


def main(arguments: list[str]) -> int:
    """Run the files; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the pgTAP files with pg_prove.")
    parser.add_argument(
        "--server", choices=[*map(str, SERVERS), "all"], help="PostgreSQL's major version"
    )
    parser.add_argument("files", nargs="*", type=Path, help="all by default")
    options = parser.parse_args(arguments)
    files = [file.resolve() for file in options.files] or sorted(HERE.glob("*.sql"))
    try:
        check_files(files)
        if options.server == "all":
            return run_on_all(files)
        return run_on(None if options.server is None else int(options.server), files)
    except PgtapError as error:
        print(f"pgtap: {error}", file=sys.stderr)
        return 1


def run_on_all(files: list[Path]) -> int:
    """Run the files on every server, each in a process of its own; return the exit code."""
    runs = [
        subprocess.Popen(
            [sys.executable, __file__, "--server", str(major), *map(str, files)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for major in SERVERS
    ]
    for run in runs:
        # All of them, also when the first fails: what differs between versions is the point.
        print(run.communicate()[0], end="", flush=True)
    return max(1 if run.returncode < 0 else run.returncode for run in runs)


def run_on(major: int | None, files: list[Path]) -> int:
    """Run the files on one server; return the exit code."""
    with server(major) as (url, description), template_database(url) as database:
        print(f"pgTAP on {description}", flush=True)
        load_pgtap(database)
        return prove(database, files)


def check_files(files: list[Path]) -> None:
    """Refuse what pg_prove would take without a word: no file, no rollback, no sentence."""
    if not files:
        raise PgtapError(f"no *.sql file in {HERE}, so nothing was tested")
    for file in files:
        if not file.is_file():
            raise PgtapError(f"{file} does not exist")
        if not SENTENCE.fullmatch(file.name):
            raise PgtapError(f"{file.name}: a file's name is a sentence in lowercase")
        text = file.read_text(encoding="utf-8")
        statements = [line.strip() for line in text.splitlines()]
        if "begin;" not in statements or "rollback;" not in statements or "commit;" in statements:
            raise PgtapError(f"{file.name}: a file begins a transaction and rolls it back")


@contextmanager
def server(major: int | None) -> Iterator[tuple[str, str]]:
    """Start the server of the wanted version, or the one pytest would use."""
    if major is None:
        with postgres_source() as source:
            for note in source.notes:
                print(f"passed over: {note}")
            yield source.url, source.description
        return
    installation = find_installation(major=major)
    with LocalPostgres(installation, fsync=False) as cluster:
        yield cluster.url(), str(installation)


def load_pgtap(database: Database) -> None:
    """Load pgTAP as plain SQL, in a schema of its own: so every server has it, and no test sees it.

    The extension's script is for any PostgreSQL, but Debian installs it for its own server only.
    """
    package = pgtap(server_major())
    root = package.root()
    if root is None:
        raise PgtapError(f"{package.name} is not here; `make tools` brings it")
    extension = (root / package.witness).parent
    version = re.search(
        r"default_version\s*=\s*'([^']+)'", (extension / "pgtap.control").read_text()
    )
    if version is None:
        raise PgtapError(f"{extension / 'pgtap.control'} names no version")
    script = (extension / f"pgtap--{version.group(1)}.sql").read_text(encoding="utf-8")
    with database.connect() as connection:
        connection.execute("create schema tap; grant usage on schema tap to public")
        connection.execute("set search_path = tap, public")
        connection.execute(script.encode())
        connection.execute(
            "do $$ begin execute format('alter database %I set search_path = public, tap',"
            " current_database()); end $$"
        )
    with database.connect() as connection:
        for fixtures in sorted((HERE / "support").glob("*.sql")):
            connection.execute(fixtures.read_bytes())


def prove(database: Database, files: list[Path]) -> int:
    """Hand the files to pg_prove; return 0 when all of them passed, else 1."""
    package = pg_prove()
    root = package.root()
    if root is None:
        raise PgtapError(f"{package.name} is not here; `make tools` brings it")
    psql, libraries = find_psql()
    answer = subprocess.run(
        [
            "perl",
            str(root / package.witness),
            "--norc",
            "--failures",
            "--comments",
            "--psql-bin",
            str(psql),
            *(os.path.relpath(file, HERE.parents[1]) for file in files),
        ],
        cwd=HERE.parents[1],
        env={
            **os.environ,
            **libraries,
            **connection_variables(database.url),
            "PERL5LIB": str(root / "usr/share/perl5"),
        },
        check=False,
    )
    return 1 if answer.returncode else 0


def connection_variables(url: str) -> dict[str, str]:
    """Return libpq's variables for the URL: a password has no place among the arguments."""
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    return {
        names[name]: str(value)
        for name, value in conninfo_to_dict(url).items()
        if name in names and value is not None
    }


def find_psql() -> tuple[Path, dict[str, str]]:
    """Return psql and the variables it needs: the one on the PATH, else one of a server here."""
    on_path = shutil.which("psql")
    if on_path is not None:
        return Path(on_path), {}
    installation = find_installation()
    return installation.programs / "psql", (
        {} if installation.libraries is None else {"LD_LIBRARY_PATH": str(installation.libraries)}
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
