"""A PostgreSQL cluster of one's own on this machine: made, started, thrown away.

The server listens on a free TCP port of 127.0.0.1 (password) and on a Unix socket in a directory
that only its owner can enter (no password). When this process dies, even by SIGKILL, a guardian
stops the server and removes the directory.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from sendonce.local.guardian import Guardian
from sendonce.local.ports import free_port
from sendonce.local.postgres_sources import PostgresInstallation, find_installation

_START_TRIES: Final = 5
_STOP_SIGNALS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class LocalPostgresError(RuntimeError):
    """The server could not be made, started or stopped; the message ends with its log."""


def _server_account() -> pwd.struct_passwd | None:
    """Return the account the server runs as, or None for the one we are: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LocalPostgresError(
        "PostgreSQL refuses to run as root and neither the account postgres nor nobody exists; "
        "create one of them or run as an ordinary user"
    )


def _others_can_reach(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.is_dir())


class LocalPostgres:
    """One cluster. Use it as a context manager, or call `start` and `close`."""

    superuser: Final = "postgres"

    def __init__(
        self,
        installation: PostgresInstallation | None = None,
        *,
        directory: Path | None = None,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        """Describe a cluster; nothing is started yet.

        `directory`: where it lives. One that holds a cluster already is used as it is, and it is
        kept on `close`; by default a temporary one is made and removed.
        `fsync`: off makes it faster and loses data when the machine (not the server) stops.
        `settings`: further server settings, by name.
        `log`: where the server's log goes and stays; by default into the directory.
        `start_timeout`: seconds.
        """
        self.installation = find_installation() if installation is None else installation
        self.port = 0
        self._kept = directory is not None
        self._directory = directory
        self._fsync = fsync
        self._settings = dict(settings or {})
        self._log = log
        self._start_timeout = start_timeout
        self._account = _server_account()
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: Guardian | None = None

    @property
    def directory(self) -> Path:
        """The directory that holds data, sockets and, by default, the log."""
        if self._directory is None:
            raise LocalPostgresError("the cluster was not started yet: call start() first")
        return self._directory

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "server.log" if self._log is None else self._log

    @property
    def password(self) -> str:
        """The superuser's password over TCP."""
        return self._password

    @property
    def running(self) -> bool:
        """Whether the server process is there."""
        return self._process is not None and self._process.poll() is None

    def url(
        self, database: str = "postgres", *, user: str = superuser, password: str | None = None
    ) -> str:
        """Return a connection URL over TCP; the password defaults to the superuser's."""
        secret = self._password if password is None else password
        return (
            f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}"
            f"@127.0.0.1:{self.port}/{quote(database, safe='')}"
        )

    def socket_url(self, database: str = "postgres", *, user: str = superuser) -> str:
        """Return a connection URL over the Unix socket, where every role enters unasked."""
        return (
            f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}"
            f"?host={quote(str(self._sockets), safe='')}&port={self.port}"
        )

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database and return its URL (TCP, superuser)."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return self.url(name)

    def start(self) -> Self:
        """Make the cluster where needed and start it, on the port it had before if it had one.

        Returns when it answers. Raises LocalPostgresError with the end of the server's log.
        """
        if self.running:
            return self
        self.stop()
        self._make_directory()
        for attempt in range(1, _START_TRIES + 1):
            fresh_port = self.port == 0
            if fresh_port:
                self.port = free_port()
            try:
                self._start_server()
            except LocalPostgresError as error:
                # Somebody took the port between our asking and the server's binding.
                taken = "could not create any TCP/IP sockets" in str(error)
                if not (fresh_port and taken) or attempt == _START_TRIES:
                    self.close()
                    raise
                self.port = 0
            else:
                break
        return self

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server and keep the cluster; `immediate` is a crash, recovered at the start."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(_STOP_SIGNALS[mode])
                try:
                    self._process.wait(60)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start again on the same port, with the same data."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and remove its directory, unless the caller gave one."""
        self.stop()
        if not self._kept and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
            self.port = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _sockets(self) -> Path:
        return self.directory / "sockets"

    def _make_directory(self) -> None:
        if self._directory is None:
            # Directly below the system's directory for temporary files: a socket's path has at
            # most 107 bytes, and the server's account must be able to walk there.
            self._directory = Path(tempfile.mkdtemp(prefix="sendonce-postgres-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in (self._data, self._sockets):
            path.mkdir(mode=0o700, exist_ok=True)
        if self._account is not None:
            for path in (self._directory, self._data, self._sockets):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        secret = self.directory / "password"
        if (self._data / "PG_VERSION").exists():
            self._password = secret.read_text().strip()
            return
        self._password = secrets.token_urlsafe(18)
        secret.touch(mode=0o600)
        secret.write_text(f"{self._password}\n")
        if self._account is not None:
            os.chown(secret, self._account.pw_uid, self._account.pw_gid)
        self._initialize(secret)

    def _initialize(self, secret: Path) -> None:
        command = [
            str(self._programs() / "initdb"),
            f"--pgdata={self._data}",
            f"--username={self.superuser}",
            f"--pwfile={secret}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            # What Supabase's projects have, as far as sorting goes: by code point.
            f"--locale={'C.UTF-8' if os.uname().sysname == 'Linux' else 'C'}",
        ]
        if not self._fsync:
            command.append("--no-sync")
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=self.installation.environment(),
            user=None if self._account is None else self._account.pw_uid,
            group=None if self._account is None else self._account.pw_gid,
            extra_groups=None if self._account is None else [],
        )
        if answer.returncode != 0:
            self.close()
            raise LocalPostgresError(
                f"initdb of {self.installation} failed:\n{answer.stdout}{answer.stderr}"
            )

    def _programs(self) -> Path:
        """Return the directory of the programs, where the server's account can reach them.

        Started by root from a checkout that only root can enter, the programs are copied beside
        the cluster: opening the checkout to everybody is not ours to do.
        """
        if self._account is None or _others_can_reach(self.installation.programs):
            return self.installation.programs
        copies = self.directory / "programs"
        common = Path(os.path.commonpath(self.installation.roots))
        base = common if len(self.installation.roots) > 1 else common.parent
        if not copies.exists():
            for root in self.installation.roots:
                shutil.copytree(root, copies / root.relative_to(base), symlinks=True)
        return copies / self.installation.programs.relative_to(base)

    def _start_server(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._sockets),
            "fsync": "on" if self._fsync else "off",
            "max_connections": "200",
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d %a ",
            **self._settings,
        }
        command = [str(self._programs() / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self.installation.environment(),
                user=None if self._account is None else self._account.pw_uid,
                group=None if self._account is None else self._account.pw_gid,
                extra_groups=None if self._account is None else [],
                # Ctrl-C in the terminal is for us; we stop the server in our own order.
                start_new_session=True,
            )
        self._guardian = Guardian(
            self._process.pid,
            stop_signal=signal.SIGINT,
            remove=None if self._kept else self.directory,
        )
        deadline = time.monotonic() + self._start_timeout
        while True:
            if self._process.poll() is not None:
                raise self._failure("ended while starting", begin)
            try:
                psycopg.connect(self.socket_url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    self.stop("immediate")
                    raise self._failure("did not answer in time", begin) from None
                time.sleep(0.05)
            else:
                return

    def _failure(self, what: str, log_begin: int) -> LocalPostgresError:
        with self.log.open("rb") as log:
            log.seek(log_begin)
            lines = log.read().decode(errors="replace").splitlines()[-20:]
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None
        # The log is thrown away with the cluster, unless one of them was asked for.
        kept = self._kept or self._log is not None
        place = f"port {self.port}, log {self.log}" if kept else f"port {self.port}"
        return LocalPostgresError(f"{self.installation} {what} ({place}):\n" + "\n".join(lines))
