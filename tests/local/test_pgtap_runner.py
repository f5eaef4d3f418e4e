"""`make pgtap` fails whenever something was not proved, for whatever reason."""

import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[1] / "pgtap" / "run.py"

PROVES = "begin;\nselect plan(1);\nselect ok(true, 'so');\nselect * from finish();\nrollback;\n"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUNNER, *arguments], capture_output=True, text=True, check=False
    )


def written(directory: Path, text: str, name: str = "one_behaviour_holds.sql") -> Path:
    file = directory / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_that_proves_its_behaviour_passes(tmp_path: Path) -> None:
    ended = run("--server", "18", written(tmp_path, PROVES))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Files=1, Tests=1" in ended.stdout


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PROVES.replace("ok(true", "ok(false"), id="a test fails"),
        pytest.param(PROVES.replace("plan(1)", "plan(2)"), id="a test is missing"),
        pytest.param(PROVES.replace("ok(true", "no_such_test(true"), id="an error"),
        pytest.param(PROVES.replace("rollback;\n", ""), id="nothing is rolled back"),
        pytest.param(PROVES.replace("begin;\n", ""), id="no transaction"),
        pytest.param("begin;\nrollback;\n", id="no test at all"),
    ],
)
def test_a_file_that_does_not_fails(tmp_path: Path, text: str) -> None:
    assert run("--server", "18", written(tmp_path, text)).returncode == 1


def test_a_name_that_is_no_sentence_fails(tmp_path: Path) -> None:
    ended = run("--server", "18", written(tmp_path, PROVES, "claims.sql"))
    assert ended.returncode == 1
    assert "sentence" in ended.stderr


def test_no_file_at_all_fails(tmp_path: Path) -> None:
    empty = tmp_path / "pgtap"
    empty.mkdir()
    (empty / "run.py").write_bytes(RUNNER.read_bytes())
    (tmp_path / "support").symlink_to(RUNNER.parents[1] / "support")
    ended = subprocess.run(
        [sys.executable, empty / "run.py"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "nothing was tested" in ended.stderr


def test_every_server_runs_the_files_and_any_of_them_can_fail(tmp_path: Path) -> None:
    file = written(tmp_path, PROVES)
    ended = run("--server", "all", file)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("Files=1, Tests=1") == 3
    before_18 = "select ok(current_setting('server_version_num')::integer < 180000, 'so');"
    written(tmp_path, PROVES.replace("select ok(true, 'so');", before_18))
    assert run("--server", "all", file).returncode == 1
