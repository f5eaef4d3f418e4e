"""The engine stands alone: it imports neither simulator nor command line nor local stack."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import importlib, pkgutil, sys
for name in ("sendonce.worker", "sendonce.transports", "sendonce.providers"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if name.startswith("sendonce.")))
"""


@pytest.mark.parametrize("forbidden", ["simulator", "cli", "local"])
def test_the_engine_does_not_import(forbidden: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    )
    modules = answer.stdout.split()
    assert "sendonce.worker.engine" in modules
    assert [name for name in modules if name.split(".")[1] == forbidden] == []
