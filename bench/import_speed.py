"""`sendonce import` of a long list, beside COPY of the same rows into a plain table.

Both in one cluster (fsync on), one after the other. COPY checks nothing, and is what the disk and
the protocol allow; between two machines only the ratio compares.

    python bench/import_speed.py [--rows 1000000] [--rounds 1] [--json]
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.table import Table

from sendonce.local.postgres import LocalPostgres
from sendonce.schema.into_database import install_schema

#: Seconds for a million contacts that the design asks for.
GOAL: Final = 20.0


def write_list(file: Path, rows: int) -> None:
    """A list as people have them: in no order, each number once, two columns for variables."""
    places = list(range(rows))
    random.Random(1).shuffle(places)
    with file.open("w") as written:
        written.write("phone,name,city\n")
        for place in places:
            # Numbers that a strict reader takes: of a range that Germany gives out.
            written.write(f"+49151{place:08d},Contact {place},Berlin\n")


def prepare(connection: "psycopg.Connection[Any]") -> tuple[str, str, str]:
    """An organization with an account, a template and a price."""
    organization = _value(connection, "select create_organization('bench')")
    account = _value(
        connection, "select upsert_account(%s, 'whatsapp', '1', 'bench', '{}')", organization
    )
    options = json.dumps({"category": "MARKETING", "variables": ["name", "city"]})
    template = _value(
        connection,
        "select upsert_template(%s, 'whatsapp', 'bench', 'en', %s)",
        organization,
        options,
    )
    connection.execute(
        "insert into rates (provider, category, currency, prefix, rate, charge_on, valid_from)"
        " select 'whatsapp', 'MARKETING', a.currency, '+49', 0.05, 'accepted', '2000-01-01'"
        " from provider_accounts a"
    )
    return organization, account, template


def time_copy(connection: "psycopg.Connection[Any]", file: Path) -> float:
    """Seconds of COPY into a table without index or check, as fast as Python hands it over."""
    connection.execute("drop table if exists plain")
    connection.execute("create table plain (phone text, name text, city text)")
    connection.execute("checkpoint")
    began = time.perf_counter()
    statement = "copy plain from stdin with (format csv, header)"
    with file.open("rb") as source, connection.cursor().copy(statement) as copy:
        while piece := source.read(1 << 16):
            copy.write(piece)
    return time.perf_counter() - began


def time_import(
    connection: "psycopg.Connection[Any]", url: str, prepared: tuple[str, str, str], file: Path
) -> tuple[float, float, int]:
    """Seconds of the command into a new campaign, those of its own processor, and its memory.

    Memory is in megabytes, the largest that any of the commands had.
    """
    rows = sum(1 for _ in file.open("rb")) - 1
    campaign = str(_value(connection, "select create_campaign(%s, 'bench', %s, %s)", *prepared))
    connection.execute("checkpoint")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "sendonce.cli.main"),
            *("import", str(file), "--campaign", campaign, "--json"),
        ],
        env=os.environ | {"SENDONCE_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    added = json.loads(answer.stdout)["added"]
    if added != rows:
        raise RuntimeError(f"{added} of {rows} rows were added")
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, own, after.ru_maxrss // 1024


def _value(connection: "psycopg.Connection[Any]", statement: str, *arguments: Any) -> Any:
    row = connection.execute(statement, arguments).fetchone()
    if row is None:
        raise RuntimeError(f"no row from {statement}")
    return row[0]


def main() -> int:
    """Run the benchmark and print its table; exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="contacts in the list")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each, in turn")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()

    copies: list[float] = []
    imports: list[float] = []
    own: list[float] = []
    memory = 0
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
    with tempfile.TemporaryDirectory() as directory, LocalPostgres(settings=settings) as server:
        file = Path(directory) / "list.csv"
        write_list(file, options.rows)
        url = server.create_database("bench")
        install_schema(url)
        with psycopg.connect(url, autocommit=True) as connection:
            version = _value(connection, "show server_version")
            prepared = prepare(connection)
            for _ in range(options.rounds):
                copies.append(time_copy(connection, file))
                seconds, processor, memory = time_import(connection, url, prepared, file)
                imports.append(seconds)
                own.append(processor)

    result = {
        "rows": options.rows,
        "server": version,
        "copy_seconds": copies,
        "import_seconds": imports,
        "import_processor_seconds": own,
        "import_megabytes": memory,
        "import_rows_per_second": round(options.rows / statistics.median(imports)),
        "import_to_copy": round(statistics.median(imports) / statistics.median(copies), 1),
        "seconds_for_a_million": round(statistics.median(imports) / options.rows * 1e6, 1),
    }
    if options.json:
        print(json.dumps(result))
        return 0
    table = Table(title=f"{options.rows:,} contacts, PostgreSQL {version}, fsync on")
    for column in ("", "seconds", "rows per second"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in (("COPY into a plain table", copies), ("sendonce import", imports)):
        middle = statistics.median(values)
        table.add_row(name, f"{middle:.1f}", f"{options.rows / middle:,.0f}")
    Console().print(table)
    print(f"import / COPY: {result['import_to_copy']} times as long")
    print(f"a million in {result['seconds_for_a_million']} s; the design asks for {GOAL:.0f} s")
    print(f"of it the command's own processor time: {statistics.median(own):.1f} s", end="")
    print(f"; its memory: {memory} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
