"""What is built for the registry holds what an installed `sendonce` needs."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]


def test_it_holds_the_schema_the_function_and_the_types(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        schema = archive.read("sendonce/schema/complete_schema.sql")
    assert schema == (ROOT / "complete_schema.sql").read_bytes()
    assert "sendonce/schema/functions/delivery-webhook/index.ts" in names
    assert "sendonce/schema/migrations/20260101000000_initial.sql" in names
    assert "sendonce/py.typed" in names
    assert "sendonce/cli/main.py" in names
