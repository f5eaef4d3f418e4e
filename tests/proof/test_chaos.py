"""A short run of the seeded chaos, as anybody starts it; `make chaos` runs it for longer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

SEED: Final = 20
CONTACTS: Final = 1200
SECONDS: Final = 12
#: Seconds after which a run that does not end is given up; no test measures time.
PATIENCE: Final = 400

_TESTS: Final = Path(__file__).parents[1]


def test_everything_fails_at_once_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    directory = tmp_path / "chaos"
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "proof.chaos",
            f"--seed={SEED}",
            f"--minutes={SECONDS / 60}",
            f"--contacts={CONTACTS}",
            "--campaign-size=300",
            "--gap=0.55",
            "--rate=60",
            "--json",
            f"--directory={directory}",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
    )
    # pytest shows it with a test that failed.
    print(answer.stderr)
    lines = answer.stderr.splitlines()
    assert lines[0] == f"chaos: seed {SEED}"
    verdict = re.fullmatch(r"chaos: (\d+) messages, 0 twice, 0 lost, 0 drift", lines[-1])
    assert verdict is not None
    assert answer.returncode == 0

    result = json.loads(answer.stdout)
    assert int(verdict[1]) == result["messages"] >= CONTACTS * 0.9
    # It was no quiet run: what it says of messages was said in spite of these.
    faults = result["faults"]
    families = ("worker", "server", "webhook", "network", "provider", "re")
    for family in families:
        assert sum(count for kind, count in faults.items() if kind.startswith(family)), faults
    assert sum(faults.values()) >= 15
    numbers = result["numbers"]
    assert numbers["requests"]["accepted"] >= CONTACTS / 3
    assert sum(numbers["attempts_once_unknown"].values()) > 0
    assert numbers["reports"]["acknowledged"] > CONTACTS / 3

    # Whoever looks for a fault finds what happened when.
    timeline = [
        json.loads(line)
        for line in (directory / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [event["event"] for event in timeline][-1] == "rest"
    assert sum(event["event"] in faults for event in timeline) == sum(faults.values())
    assert f"--seed={SEED}" in json.loads((directory / "settings.json").read_text())["replay"]
