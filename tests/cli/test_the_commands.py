"""The list of commands in cli/main.py."""

from __future__ import annotations

import pytest
import typer

from sendonce.cli.main import COMMANDS, application


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_line_loads_the_command_it_names(name: str) -> None:
    assert list(typer.main.get_group(application(name)).commands) == [name]


@pytest.mark.parametrize("first_word", [None, "--help", "nonsense"])
def test_any_other_line_loads_them_all(first_word: str | None) -> None:
    group = typer.main.get_group(application(first_word))
    assert sorted(group.commands) == sorted(COMMANDS)
