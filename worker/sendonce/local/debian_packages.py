"""Programs that come from Debian's packages: PostgreSQL 15, pgTAP, pg_prove, plpgsql_check.

    python -m sendonce.local.debian_packages

Does nothing where they are there. As root they are installed; otherwise, or where that fails, the
packages are downloaded and unpacked below `.tools/debian`, which needs no rights at all. Systems
without apt are told what is missing.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sendonce.local.tools_directory import tools_directory

# Debian 12's; an installed server of another version takes precedence.
_DEFAULT_MAJOR: Final = 15

_SEARCHED: Final = (Path("/"), tools_directory() / "debian")


class DebianPackagesError(RuntimeError):
    """Something is missing that this machine cannot be given; the message says what to do."""


@dataclass(frozen=True)
class DebianPackage:
    """A package and a file by which one sees that it is there."""

    name: str
    witness: str

    def root(self) -> Path | None:
        """Return where it is: `/` when installed, `.tools/debian` when unpacked, else None."""
        return next((root for root in _SEARCHED if (root / self.witness).exists()), None)


def server_major() -> int:
    """Return the major version of Debian's server that is here, or would be brought here."""
    found = [
        int(path.parent.parent.name)
        for root in _SEARCHED
        for path in root.glob("usr/lib/postgresql/*/bin/postgres")
        if path.parent.parent.name.isdigit()
    ]
    return max(found, default=_DEFAULT_MAJOR)


def server(major: int) -> DebianPackage:
    """Return the package of the server itself."""
    return DebianPackage(f"postgresql-{major}", f"usr/lib/postgresql/{major}/bin/postgres")


def pgtap(major: int) -> DebianPackage:
    """Return the package of pgTAP."""
    return DebianPackage(
        f"postgresql-{major}-pgtap", f"usr/share/postgresql/{major}/extension/pgtap.control"
    )


def plpgsql_check(major: int) -> DebianPackage:
    """Return the package of the checker for plpgsql."""
    return DebianPackage(
        f"postgresql-{major}-plpgsql-check",
        f"usr/share/postgresql/{major}/extension/plpgsql_check.control",
    )


def pg_prove() -> DebianPackage:
    """Return the package of pg_prove."""
    return DebianPackage("libtap-parser-sourcehandler-pgtap-perl", "usr/bin/pg_prove")


def missing_packages() -> list[DebianPackage]:
    """Return what is neither installed nor unpacked."""
    major = server_major()
    wanted = (server(major), pgtap(major), pg_prove(), plpgsql_check(major))
    return [package for package in wanted if package.root() is None]


def ensure_packages() -> None:
    """Bring what is missing.

    Raises DebianPackagesError, which says what is missing and what to do about it.
    """
    missing = missing_packages()
    if not missing:
        return
    names = [package.name for package in missing]
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise DebianPackagesError(
            f"this system has no apt-get, and these Debian packages are missing: {', '.join(names)}"
            "; run the tests on Debian 12, or in a container of it"
        )
    if os.geteuid() == 0 and _install(names):
        return
    _unpack(names)
    left = [package.name for package in missing_packages()]
    if left:
        raise DebianPackagesError(
            f"unpacking below {_SEARCHED[1]} did not bring {', '.join(left)}; "
            "remove that directory and try again"
        )


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C", **environment},
    )


def _install(names: list[str]) -> bool:
    """Install as root; on failure say so and return False."""
    print(f"Installing Debian packages: {' '.join(names)}", file=sys.stderr)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    answer = _run(install, DEBIAN_FRONTEND="noninteractive")
    if answer.returncode != 0:
        # The lists may be empty or old.
        _run(["apt-get", "update"])
        answer = _run(install, DEBIAN_FRONTEND="noninteractive")
    if answer.returncode != 0:
        print(f"apt-get install failed, unpacking instead:\n{answer.stderr}", file=sys.stderr)
    return answer.returncode == 0


def _unpack(names: list[str]) -> None:
    """Download the packages, with all they depend on that is not installed, and unpack them."""
    target = _SEARCHED[1]
    print(f"Unpacking Debian packages below {target}: {' '.join(names)}", file=sys.stderr)
    archives = tools_directory() / "apt" / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    options: list[str] = []
    plan = _plan(names, options)
    if plan is None:
        # This machine's lists are empty or unreadable, and may not be ours to fill: bring our own.
        options = _own_lists()
        plan = _plan(names, options)
    if plan is None:
        raise DebianPackagesError(
            f"apt-get knows no such packages: {', '.join(names)}. On Debian 12 run `apt-get update`"
            " as root and try again; other releases have other versions: install PostgreSQL's"
            " server, pgtap, plpgsql-check and pg_prove of one version, or run the tests in a"
            " container of Debian 12"
        )
    answer = subprocess.run(
        ["apt-get", *options, "download", *plan],
        cwd=archives,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise DebianPackagesError(f"apt-get download {' '.join(plan)} failed:\n{answer.stderr}")
    target.mkdir(parents=True, exist_ok=True)
    for archive in sorted(archives.glob("*.deb")):
        unpacked = _run(["dpkg", "-x", str(archive), str(target)])
        if unpacked.returncode != 0:
            raise DebianPackagesError(f"dpkg -x {archive} failed:\n{unpacked.stderr}")
    shutil.rmtree(archives)


def _plan(names: list[str], options: list[str]) -> list[str] | None:
    """Return all packages that installing would bring, or None when apt cannot tell."""
    answer = _run(["apt-get", *options, "install", "--simulate", "--no-install-recommends", *names])
    if answer.returncode != 0:
        return None
    return re.findall(r"^Inst (\S+)", answer.stdout, flags=re.MULTILINE)


def _own_lists() -> list[str]:
    """Fetch package lists of our own and return apt's options to use them."""
    state = tools_directory() / "apt"
    for path in (state / "lists" / "partial", state / "cache" / "archives" / "partial"):
        path.mkdir(parents=True, exist_ok=True)
    options = [
        "-o",
        f"Dir::State::Lists={state / 'lists'}",
        "-o",
        f"Dir::Cache={state / 'cache'}",
        "-o",
        "Debug::NoLocking=true",
    ]
    answer = _run(["apt-get", *options, "update"])
    if answer.returncode != 0:
        raise DebianPackagesError(f"apt-get update failed:\n{answer.stderr}")
    return options


def main() -> int:
    """Bring what is missing; return the exit code."""
    try:
        ensure_packages()
    except DebianPackagesError as error:
        print(f"sendonce: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
