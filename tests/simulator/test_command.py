"""The command: flags, environment, profiles, wrong settings, start and stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sendonce.simulator import SimulatorProcess
from sendonce.simulator.faults import Faults
from sendonce.simulator.profiles import PROFILES, make_faults
from simulator.patience import until
from simulator.sender import recipient, send

COMMAND = [sys.executable, "-m", "sendonce.simulator"]


def run(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SENDONCE_SIMULATOR_")}
    return subprocess.run(
        [*COMMAND, *flags],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "99999"], "port: "),
        (["--port", "http"], "port: "),
        (["--profile", "sunny"], "profile: 'sunny' is neither one of"),
        (["--profile", "missing.toml"], "cannot read missing.toml"),
        (["--error", "135000"], "errors: '135000' is not CODE=RATE"),
        (["--error", "135000=2"], "errors.135000: "),
        (["--garbage", "0.6", "--server-error", "0.6"], "add up to 1.2"),
        (["--fail-recipients", "135000=suffix"], "is not a number of recipients"),
        (["--webhook-url", "localhost/x"], "is not an http(s) URL"),
        (["--webhook-url", "http://localhost/x"], "SENDONCE_SIMULATOR_APP_SECRET"),
        (["--template", "name"], "is not NAME:LANGUAGE:PARAMETERS"),
        (["--country-code", "+1"], "country_code: "),
        (["--ledger-file", "/no/such/folder/ledger"], "ledger_file: cannot append"),
        (["--seed", "x"], "seed: "),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(flags: list[str], words: str) -> None:
    result = run(*flags)

    assert result.returncode == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("sendonce: simulator: ")
    assert words in line


def test_a_taken_port_is_one_line_and_exit_code_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("--port", str(taken.getsockname()[1]))

    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("sendonce: simulator: port: cannot listen on 127.0.0.1:")


def test_an_unknown_flag_is_exit_code_2() -> None:
    assert run("--no-such-flag").returncode == 2


def test_every_fault_is_a_flag() -> None:
    shown = run("--help", COLUMNS="400").stdout

    for name in Faults.model_fields:
        assert "--" + name.removesuffix("s").replace("_", "-") in shown


def test_settings_come_from_the_environment_too_and_flags_win() -> None:
    variables = {
        "SENDONCE_SIMULATOR_ERROR": "135000=0.5 2=2",
        "SENDONCE_SIMULATOR_SEED": "5",
    }

    assert "errors.2: " in run(**variables).stderr
    assert "errors.4: " in run("--error", "4=3", **variables).stderr


def test_a_profile_file_extends_a_named_profile_and_flags_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "healthy"\n'
        "latency_mean = 0\n"
        "latency_jitter = 0\n"
        "read_rate = 0.25\n"
        'fail_recipients = ["135000=suffix:7"]\n'
        "[errors]\n"
        "2 = 0.5\n",
        encoding="utf-8",
    )
    with SimulatorProcess(profile=str(file), errors={2: 0}) as simulator:
        faults = simulator.control.faults()
        assert faults["delivered_rate"] == 0.97
        assert faults["read_rate"] == 0.25
        assert faults["errors"] == {"2": 0.0}
        assert send(simulator, recipient(7)).code == 135000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latensy = 1", "latensy: there is no such setting"),
        ("garbage = 7", "garbage: "),
        ('extends = "sunny"', "extends 'sunny'"),
        ("= 1", "is not TOML"),
    ],
)
def test_a_wrong_profile_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    result = run("--profile", str(file))

    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert str(file) in line
    assert words in line


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_named_profile_is_valid(name: str) -> None:
    assert isinstance(make_faults(PROFILES[name]), Faults)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(number: signal.Signals) -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline().startswith(b"simulator listening on http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(20) == 0


def test_it_can_die_with_its_parent() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(20) == 0


def test_the_helper_says_why_it_did_not_start() -> None:
    with pytest.raises(RuntimeError, match="errors: 'x' is not CODE=RATE"):
        SimulatorProcess(errors="x").start()


def test_the_helper_stops_the_process() -> None:
    simulator = SimulatorProcess().start()
    pid = simulator.pid
    simulator.stop()
    simulator.stop()

    until(lambda: not Path(f"/proc/{pid}").exists())


def test_the_simulator_knows_no_database() -> None:
    program = (
        "import sys\n"
        "import sendonce.simulator.server, sendonce.cli.simulator\n"
        "wrong = [m for m in sys.modules if m.startswith(('psycopg', 'sendonce.worker',"
        " 'sendonce.transports', 'sendonce.providers', 'sendonce.local'))]\n"
        "sys.exit(', '.join(wrong) or None)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")
