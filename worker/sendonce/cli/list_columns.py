"""Finds the columns of a list that a command needs, and asks where they are unclear."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from sendonce.cli import list_progress
from sendonce.contacts.mapping import (
    ColumnMapping,
    Draft,
    Wishes,
    checked_first_row,
    drafted,
    refusal,
)
from sendonce.contacts.records import ContactList
from sendonce.errors import CommandError


def columns(contacts: ContactList, expected: Sequence[str], wishes: Wishes) -> ColumnMapping:
    """The columns, asked for where they are unclear and somebody is there to ask."""
    checked_first_row(contacts.header)
    draft = drafted(contacts.header, expected, wishes)
    if not draft.is_clear and sys.stdin.isatty() and sys.stderr.isatty():
        try:
            draft = _asked(contacts.header, expected, wishes, draft)
        except typer.Abort:
            # Ctrl-C, or the end of the input, at a question.
            raise typer.Exit(130) from None
    if not draft.is_clear:
        raise CommandError(refusal(contacts.header, expected, draft))
    return draft.finished()


def _asked(header: list[str], expected: Sequence[str], wishes: Wishes, draft: Draft) -> Draft:
    list_progress.say(f"columns of the file: {', '.join(header)}")
    if draft.recipient is None:
        wishes.recipient = _ask_for_column("Which column holds the number", header)
    for variable in draft.missing:
        wishes.variables[variable] = _ask_for_column(
            f"Which column fills the variable {variable}", header
        )
    draft = drafted(header, expected, wishes)
    if draft.surplus and typer.confirm(f"Leave out {', '.join(draft.surplus)}?", err=True):
        wishes.ignore_rest = True
        draft = drafted(header, expected, wishes)
    return draft


def _ask_for_column(question: str, header: list[str]) -> str:
    while True:
        answer = str(typer.prompt(question, err=True))
        if answer in header:
            return answer
        list_progress.say(f"no column is called {answer!r}")
