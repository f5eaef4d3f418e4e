"""Tells on standard error how far the reading of a list is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sendonce.cli import output
from sendonce.contacts.records import ContactList

if TYPE_CHECKING:
    from rich.console import Console

#: The console of the bar, while there is one: what another writes would tear the bar apart.
_console_with_bar: Console | None = None


def say(message: str) -> None:
    """One line for the person at the keyboard, above the bar where there is one."""
    console = _console_with_bar or output.console(stderr=True)
    console.print(f"sendonce: {message}", markup=False, soft_wrap=True)


@contextmanager
def progress(contacts: ContactList) -> Iterator[Callable[[int], None]]:
    """A bar where standard error is a terminal; yields what moves it to a position."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    global _console_with_bar
    console = output.console(stderr=True)
    if not console.is_terminal:
        yield lambda _position: None
        return
    columns = ("Importing", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("import", total=contacts.total)
        _console_with_bar = console
        try:
            yield lambda position: bar.update(task, completed=position)
        finally:
            _console_with_bar = None
