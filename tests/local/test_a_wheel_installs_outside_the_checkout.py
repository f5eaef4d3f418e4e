"""The built wheel in an empty environment: it brings all that `sendonce install` needs."""

import os
import subprocess
import sys
from pathlib import Path

from support.database import Database

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, folder: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SENDONCE_", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_database_and_a_project(tmp_path: Path, empty_database: Database) -> None:
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    run(*build, folder=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=tmp_path)
    python = environment / "bin" / "python"
    install = (Path(sys.executable).with_name("uv"), "pip", "install", "--quiet")
    locked = ("--require-hashes", "--requirement", ROOT / "requirements.lock")
    run(*install, "--python", python, *locked, folder=tmp_path)
    run(*install, "--python", python, "--no-deps", wheel, folder=tmp_path)

    program = environment / "bin" / "sendonce"
    url = ("--url", empty_database.url)
    run(program, "install", *url, folder=tmp_path)
    made = run(program, "organization", "create", "Acme", *url, folder=tmp_path)
    with empty_database.connect() as connection:
        assert connection.execute("select id::text from public.organizations").fetchall() == [
            (made.strip(),)
        ]

    project = tmp_path / "supabase"
    project.mkdir()
    (project / "config.toml").write_text('project_id = "mine"\n')
    run(program, "install", "--into", project, folder=tmp_path)
    (migration,) = (project / "migrations").iterdir()
    assert (
        migration.read_bytes()
        == (ROOT / "supabase/migrations/20260101000000_initial.sql").read_bytes()
    )
    assert (project / "functions/delivery-webhook/index.ts").is_file()
