"""The real Supabase CLI, working on a copy of `supabase/` and on a database given by URL."""

import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_PLATFORMS: Final = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class SupabaseCliError(AssertionError):
    """The CLI is missing, or a command of it failed; the message holds what it said."""


def find_supabase_cli() -> Path:
    """Return the CLI: the one below `.tools/npm`, else the one on the PATH."""
    name = f"cli-{platform.system().lower()}-{_PLATFORMS.get(platform.machine(), 'unknown')}"
    program = ROOT / ".tools/npm/node_modules/@supabase" / name / "bin/supabase"
    if program.is_file():
        return program
    on_path = shutil.which("supabase")
    if on_path is None:
        raise SupabaseCliError("the Supabase CLI is not here; `make tools` brings it")
    return Path(on_path)


@dataclass(frozen=True)
class SupabaseCli:
    """The CLI in a working directory of its own, which it may write into."""

    directory: Path

    @classmethod
    def in_directory(cls, directory: Path) -> "SupabaseCli":
        """Copy the project's `supabase/` there and return the CLI that works on the copy."""
        shutil.copytree(
            ROOT / "supabase",
            directory / "supabase",
            ignore=shutil.ignore_patterns(".temp", ".branches", "node_modules"),
        )
        (directory / "home").mkdir()
        return cls(directory)

    def run(self, url: str, *command: str) -> str:
        """Run a command against the database at `url` and return its standard output.

        Raises SupabaseCliError when it fails.
        """
        answer = subprocess.run(
            [
                find_supabase_cli(),
                *command,
                f"--remote={url}?sslmode=disable",
                "--yes",
                "--workdir",
                self.directory,
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=300,
            # It keeps settings below the home directory and would report its use.
            env={
                "HOME": str(self.directory / "home"),
                "PATH": os.environ["PATH"],
                "DO_NOT_TRACK": "1",
                "SUPABASE_TELEMETRY_DISABLED": "1",
            },
        )
        if answer.returncode != 0:
            raise SupabaseCliError(
                f"supabase {' '.join(command)} failed ({answer.returncode}):\n"
                f"{answer.stdout}{answer.stderr}"
            )
        return answer.stdout

    def advice(self, url: str) -> list[dict[str, Any]]:
        """Return everything the advisors report, each with `name`, `level` and `detail`."""
        text = self.run(
            url,
            "db",
            "advisors",
            "--type=all",
            "--level=info",
            "--fail-on=none",
            "--output-format=json",
        )
        results: list[dict[str, Any]] = json.loads(text)["results"]
        return results
