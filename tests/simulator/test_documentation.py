"""docs/SIMULATOR.md says what is true."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sendonce.simulator import SimulatorProcess
from sendonce.simulator.faults import REPLY_FAULTS, Faults
from sendonce.simulator.profiles import PROFILES, make_faults
from sendonce.simulator.settings import SimulatorSettings
from simulator.sender import recipient, reference, request, send

TEXT = (Path(__file__).parents[2] / "docs" / "SIMULATOR.md").read_text(encoding="utf-8")
# Those with an ellipsis have something to be filled in.
CONTROLS = [
    line.split("   ")[0]
    for line in TEXT.splitlines()
    if line.startswith("curl -s ") and "/_simulator" not in line and "$S/" in line
]


@pytest.mark.parametrize("command", CONTROLS)
def test_every_example_of_a_control_works(simulator: SimulatorProcess, command: str) -> None:
    url = simulator.control.health()["webhook_url"]
    entry = send(simulator, recipient(1), reference(17))
    words = shlex.split(command, comments=True)[2:]
    method, data, target = "GET", "", ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-d":
            data = words.pop(0)
        else:
            target = word.replace("$S", "/_simulator")
    data = data.replace("wamid.…", entry.message_id).replace("so1:…:17:1", reference(17))
    parts = urlsplit(target)
    try:
        reply = request(
            simulator,
            data.encode(),
            method=method,
            path=f"{parts.path}?{parts.query}" if parts.query else parts.path,
        )
        assert reply.status == 200, reply.raw
    finally:
        simulator.control.use_webhook(url)


def test_the_examples_cover_every_control(simulator: SimulatorProcess) -> None:
    unknown = request(simulator, b"", path="/_simulator/nothing")
    for control in unknown.json["controls"]:
        method, path = control.split()
        flag = "" if method == "GET" else f"-X {method} "
        pattern = re.escape(f"curl -s {flag}") + '"?' + re.escape(path.replace("/_simulator", "$S"))
        assert any(re.match(pattern, command) for command in CONTROLS), control


@pytest.mark.parametrize("name", sorted({*Faults.model_fields, *REPLY_FAULTS, *PROFILES}))
def test_every_fault_and_profile_is_named(name: str) -> None:
    flag = {"fail_recipients": "--fail-recipients", "fail_reports": "--fail-reports"}.get(name)
    assert f"`{flag or name}" in TEXT


@pytest.mark.parametrize("name", sorted(SimulatorSettings.model_fields))
def test_every_setting_is_named(name: str) -> None:
    secret = f"SENDONCE_SIMULATOR_{name.upper()}" in TEXT
    assert secret or f"--{name.replace('_', '-')}" in TEXT


def test_the_example_of_a_profile_file_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    (tmp_path / "failing.txt").write_text("+99970000001\n", encoding="utf-8")
    values = tomllib.loads(found[1].replace("failing.txt", str(tmp_path / "failing.txt")))

    assert values.pop("extends") in PROFILES
    make_faults(values)
