"""Claim + dispatch + record at batch 100 with 4 clients, beside pgmq's read + archive.

Both run in one cluster (fsync on), in turn, from a short and from a long backlog. What is printed
are entries per second and ratios: between the machines of two readers only the ratios compare.

    python bench/queue_throughput.py [--entries 40000] [--rounds 3] [--json]
"""

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import sys
import time
import uuid
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.table import Table

from sendonce.local.postgres import LocalPostgres
from sendonce.schema.into_database import install_schema

BATCH: Final = 100
CLIENTS: Final = 4
SHORT_BACKLOG: Final = 10_000
LONG_BACKLOG: Final = 1_000_000


def sendonce_client(connection: "psycopg.Connection[Any]", account: str, quota: int) -> int:
    """Claim, dispatch and record until `quota` entries are done or none is left; return them."""
    done = 0
    while done < quota:
        claim = _value(connection, "select claim_messages('bench', %s, %s)", account, BATCH)
        if claim["claim_id"] is None:
            break
        entries = claim["entries"]
        ids = [entry["entry_id"] for entry in entries]
        gone = _value(connection, "select begin_dispatch(%s, %s)", claim["claim_id"], ids)
        if gone["dispatched"] != ids:
            raise RuntimeError(f"not all of the batch may leave: {gone}")
        results = [
            {
                "entry_id": entry["entry_id"],
                "attempt": entry["attempt"],
                "outcome": "accepted",
                "http_status": 200,
                "provider_message_id": f"wamid.{entry['entry_id']}",
            }
            for entry in entries
        ]
        told = _value(
            connection, "select record_results(%s, %s)", claim["claim_id"], json.dumps(results)
        )
        if told["sent"] != len(ids):
            raise RuntimeError(f"not all of the batch was recorded: {told}")
        done += len(ids)
    return done


def pgmq_client(connection: "psycopg.Connection[Any]", queue: str, quota: int) -> int:
    """Read and archive until `quota` messages are done or none is left; return how many."""
    done = 0
    while done < quota:
        rows = connection.execute(
            "select msg_id, message from pgmq.read(%s, 60, %s)", (queue, BATCH)
        ).fetchall()
        if not rows:
            break
        ids = [row[0] for row in rows]
        connection.execute("select count(*) from pgmq.archive(%s, %s::bigint[])", (queue, ids))
        done += len(ids)
    return done


def _value(connection: "psycopg.Connection[Any]", statement: str, *arguments: Any) -> Any:
    row = connection.execute(statement, arguments).fetchone()
    if row is None:
        raise RuntimeError(f"no row from {statement}")
    return row[0]


CLIENT_OF: Final = {"sendonce": sendonce_client, "pgmq": pgmq_client}


def _run_client(
    url: str, peer: str, target: str, quota: int, start: Barrier, done: "multiprocessing.Queue[int]"
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        # One batch before the clock starts: a session plans its statements once in its life.
        CLIENT_OF[peer](connection, target, BATCH)
        start.wait()
        done.put(CLIENT_OF[peer](connection, target, quota - BATCH))


def measure(url: str, peer: str, target: str, entries: int) -> float:
    """Let the clients work off `entries` of `target` together; return entries per second."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(CLIENTS + 1)
    done: multiprocessing.Queue[int] = context.Queue()
    clients = [
        context.Process(
            target=_run_client,
            args=(url, peer, target, entries // CLIENTS, start, done),
            daemon=True,
        )
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    start.wait()
    began = time.perf_counter()
    total = sum(done.get(timeout=600) for _ in clients)
    seconds = time.perf_counter() - began
    for client in clients:
        client.join()
    # The last client of a short backlog may find it empty: all of it must be gone all the same.
    if total < (entries - CLIENTS * BATCH) * 0.95:
        raise RuntimeError(f"{peer}: {total} of {entries} entries were done")
    return total / seconds


def fill_sendonce(connection: "psycopg.Connection[Any]", organization: str, contacts: int) -> str:
    """Start a campaign of so many contacts on an account of its own; return the account."""
    sender = f"bench-{uuid.uuid4()}"
    account = _value(
        connection,
        "select upsert_account(%s, 'whatsapp', %s, %s, %s)",
        organization,
        sender,
        sender,
        json.dumps({"maximum_rate": None}),
    )
    template = _value(
        connection,
        "select upsert_template(%s, 'whatsapp', 'bench', 'en', %s)",
        organization,
        json.dumps({"variables": ["name"]}),
    )
    campaign = _value(
        connection, "select create_campaign(%s, 'bench', %s, %s)", organization, account, template
    )
    connection.execute(
        """
        insert into send_queue (organization_id, account_id, campaign_id, recipient, variables)
        select %s, %s, %s, '+999' || (10000000 + i), '{"name": "Ada"}'
        from generate_series(1, %s) i
        """,
        (organization, account, campaign, contacts),
    )
    connection.execute("select start_campaign(%s)", (campaign,))
    connection.execute("vacuum analyze send_queue")
    return str(account)


def fill_pgmq(connection: "psycopg.Connection[Any]", messages: int) -> str:
    """Make a queue with so many messages of about the same size; return its name."""
    queue = f"bench_{uuid.uuid4().hex[:12]}"
    connection.execute("select pgmq.create(%s)", (queue,))
    connection.execute(
        """
        select count(*) from (
            select pgmq.send_batch(%s, array_agg(
                jsonb_build_object(
                    'recipient', '+999' || (10000000 + i),
                    'variables', jsonb_build_object('name', 'Ada')
                )
            ))
            from generate_series(1, %s) i
            group by i / 1000
        ) sent
        """,
        (queue, messages),
    )
    connection.execute(f"vacuum analyze pgmq.q_{queue}")
    return queue


def install_pgmq(connection: "psycopg.Connection[Any]") -> None:
    """Install pgmq from the SQL that its Python package carries."""
    found = importlib.util.find_spec("pgmq")
    if found is None or found.origin is None:
        raise RuntimeError("the package pgmq is not installed: run make setup")
    connection.execute((Path(found.origin).parent / "sql" / "pgmq.sql").read_bytes())


def main() -> int:
    """Run the benchmark and print its table; exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=40_000, help="entries per measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    console = Console(stderr=True)

    figures: dict[str, list[float]] = {}
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
    with LocalPostgres(settings=settings) as server:
        url = server.create_database("bench")
        install_schema(url)
        with psycopg.connect(url, autocommit=True) as connection:
            version = _value(connection, "show server_version")
            connection.execute("create extension if not exists plpgsql")
            install_pgmq(connection)
            organization = _value(connection, "select create_organization('bench')")
            with console.status("filling 1,000,000 entries for each"):
                long_account = fill_sendonce(connection, organization, LONG_BACKLOG)
                long_queue = fill_pgmq(connection, LONG_BACKLOG)
                connection.execute("checkpoint")
            for round_number in range(options.rounds):
                with console.status(f"round {round_number + 1} of {options.rounds}"):
                    for name, peer, target in (
                        ("sendonce long", "sendonce", long_account),
                        ("pgmq long", "pgmq", long_queue),
                    ):
                        figures.setdefault(name, []).append(
                            measure(url, peer, target, options.entries)
                        )
                    # As many entries, from backlogs of 10,000.
                    for name, peer in (("sendonce short", "sendonce"), ("pgmq short", "pgmq")):
                        speeds = []
                        for _ in range(max(1, options.entries // SHORT_BACKLOG)):
                            target = (
                                fill_sendonce(connection, organization, SHORT_BACKLOG)
                                if peer == "sendonce"
                                else fill_pgmq(connection, SHORT_BACKLOG)
                            )
                            speeds.append(measure(url, peer, target, SHORT_BACKLOG))
                        figures.setdefault(name, []).append(statistics.harmonic_mean(speeds))
            violations = connection.execute(
                "select count(*) from send_queue where status = 'processing'"
            ).fetchone()

    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratios = {
        "sendonce long / short backlog": medians["sendonce long"] / medians["sendonce short"],
        "pgmq long / short backlog": medians["pgmq long"] / medians["pgmq short"],
        "sendonce / pgmq, short backlog": medians["sendonce short"] / medians["pgmq short"],
        "sendonce / pgmq, long backlog": medians["sendonce long"] / medians["pgmq long"],
    }
    if options.json:
        print(json.dumps({"entries_per_second": figures, "ratios": ratios, "server": version}))
        return 0
    table = Table(title=f"{CLIENTS} clients, batch {BATCH}, PostgreSQL {version}, fsync on")
    table.add_column("entries per second")
    for column in ("lowest", "median", "highest"):
        table.add_column(column, justify="right")
    for name, values in sorted(figures.items()):
        table.add_row(name, *(f"{v:,.0f}" for v in (min(values), medians[name], max(values))))
    Console().print(table)
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}")
    print("sendonce claims, dispatches durably and records with fences, counters and cost;")
    print("pgmq reads and archives. Entries left in a claim:", violations[0] if violations else "?")
    return 0


if __name__ == "__main__":
    sys.exit(main())
