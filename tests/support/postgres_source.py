"""Decides where the tests' PostgreSQL comes from.

In this order: a URL given in SENDONCE_TEST_DATABASE_URL (a superuser of a cluster that may be
used up: roles and databases are made in it), a container where a Docker engine answers, a local
server of Debian's, the embedded one. SENDONCE_TEST_POSTGRES=url|container|local|embedded forces
one, and then anything that goes wrong with it is an error.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

import psycopg

from sendonce.local.postgres import LocalPostgres
from sendonce.local.postgres_sources import NoPostgresError, find_installation

if TYPE_CHECKING:
    from docker import DockerClient

Choice = Literal["url", "container", "local", "embedded"]

URL_VARIABLE: Final = "SENDONCE_TEST_DATABASE_URL"
IMAGE_VARIABLE: Final = "SENDONCE_TEST_IMAGE"
CHOICE_VARIABLE: Final = "SENDONCE_TEST_POSTGRES"

# What version 3.1.0 of the Supabase CLI starts, and what `make docker-image` builds where no
# image registry can be reached.
DEFAULT_IMAGE: Final = "supabase/postgres:17.11.0.018"
BUILT_IMAGE: Final = "sendonce/postgres-test:15"

_CONTAINER_START_TIMEOUT: Final = 120.0


class PostgresSourceError(RuntimeError):
    """The wanted source of PostgreSQL cannot be used."""


@dataclass
class PostgresSource:
    """A running PostgreSQL for the tests."""

    description: str
    url: str
    """As a superuser, to the database `postgres` or the one the URL names."""
    notes: list[str] = field(default_factory=list)
    """Why a source that comes earlier in the order was passed over."""
    server: LocalPostgres | None = None
    """The cluster, when it is one that the tests may stop and start."""


def wanted() -> Choice | None:
    """Return the forced choice, or None when the order decides."""
    choice = os.environ.get(CHOICE_VARIABLE) or None
    if choice is None or choice in get_args(Choice):
        return choice  # type: ignore[return-value]
    raise PostgresSourceError(
        f"{CHOICE_VARIABLE}={choice} is none of {', '.join(get_args(Choice))}"
    )


def docker_engine() -> "DockerClient | None":
    """Return a client of the Docker engine, or None where none answers."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return None
    try:
        client.ping()
    except (DockerException, OSError):
        client.close()
        return None
    return client


@contextmanager
def postgres_source() -> Iterator[PostgresSource]:
    """Start, or find, the PostgreSQL of this test run, and end it afterwards."""
    choice = wanted()
    with ExitStack() as stack:
        yield _find(choice, stack)


def _find(choice: Choice | None, stack: ExitStack) -> PostgresSource:
    notes: list[str] = []
    url = os.environ.get(URL_VARIABLE)
    if choice == "url" and not url:
        raise PostgresSourceError(f"{CHOICE_VARIABLE}=url, but {URL_VARIABLE} is not set")
    if url and choice in (None, "url"):
        return PostgresSource(f"the URL in {URL_VARIABLE}", url)
    if choice in (None, "container"):
        client = docker_engine()
        if client is not None:
            client.close()
            source = _container(stack, notes)
            if source is not None:
                return source
        elif choice == "container":
            notes.append("no Docker engine answers")
        if choice == "container":
            raise PostgresSourceError(f"{CHOICE_VARIABLE}=container: {'; '.join(notes)}")
    if choice in (None, "local"):
        try:
            return _cluster(stack, "debian", notes)
        except NoPostgresError as error:
            if choice == "local":
                raise PostgresSourceError(f"{CHOICE_VARIABLE}=local: {error}") from error
            notes.append("no local server")
    return _cluster(stack, "embedded", notes)


def _cluster(
    stack: ExitStack, kind: Literal["debian", "embedded"], notes: list[str]
) -> PostgresSource:
    installation = find_installation(kind=kind)
    # A test run survives nothing but itself, so it need not wait for the disk.
    server = stack.enter_context(LocalPostgres(installation, fsync=False))
    return PostgresSource(str(installation), server.url(), notes, server)


def _container(stack: ExitStack, notes: list[str]) -> PostgresSource | None:
    """Start a container of the first image that can be had; None when there is none."""
    given = os.environ.get(IMAGE_VARIABLE)
    images = [given] if given else [DEFAULT_IMAGE, BUILT_IMAGE]
    for image in images:
        try:
            return _start_container(stack, image, notes)
        except PostgresSourceError as error:
            if given:
                raise
            notes.append(str(error))
    return None


def _start_container(stack: ExitStack, image: str, notes: list[str]) -> PostgresSource:
    from docker.errors import DockerException
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # The reaper is an image of its own, which cannot be pulled everywhere.
    testcontainers_config.ryuk_disabled = True
    password = secrets.token_urlsafe(18)
    container = (
        DockerContainer(image).with_exposed_ports(5432).with_env("POSTGRES_PASSWORD", password)
    )
    try:
        container.start()
    except (DockerException, OSError) as error:
        first_line = str(error).strip().splitlines()[0][:200]
        raise PostgresSourceError(f"no container of {image}: {first_line}") from error
    stack.callback(_reaper(container.get_wrapped_container().id))
    address = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
    # In Supabase's images `postgres` is no superuser; where the other one exists it is.
    urls = [f"postgresql://{user}:{password}@{address}/postgres" for user in _SUPERUSERS]
    return PostgresSource(f"a container of {image}", _wait_for_superuser(image, urls), notes)


_REAP: Final = """
import sys, docker
sys.stdin.read()
docker.from_env().containers.get(sys.argv[1]).remove(force=True, v=True)
"""


def _reaper(container: str) -> Callable[[], None]:
    """Return what removes the container; it is removed as well when this process dies before."""
    process = subprocess.Popen(
        [sys.executable, "-c", _REAP, container], stdin=subprocess.PIPE, start_new_session=True
    )

    def remove() -> None:
        process.communicate()

    return remove


_SUPERUSERS: Final = ("supabase_admin", "postgres")


def _wait_for_superuser(image: str, urls: list[str]) -> str:
    """Return the first of the URLs that lets a superuser in, twice in a row.

    The images start the server once to set it up, and once more to stay.
    """
    deadline = time.monotonic() + _CONTAINER_START_TIMEOUT
    answered = 0
    said = "nothing"
    while time.monotonic() < deadline:
        for url in urls:
            try:
                with psycopg.connect(url, connect_timeout=5) as connection:
                    row = connection.execute(
                        "select usesuper, now() - pg_postmaster_start_time() > '2 s'"
                        " from pg_user where usename = current_user"
                    ).fetchone()
            except psycopg.OperationalError as error:
                said = str(error).strip()
                continue
            if row is not None and row[0] and row[1]:
                answered += 1
                if answered >= 2:
                    return url
        time.sleep(0.5)
    raise PostgresSourceError(f"the container of {image} let no superuser in: {said}")
