"""Errors that the person at the keyboard can put right."""

from __future__ import annotations


class CommandError(Exception):
    """Something outside the program is wrong, and one line says what, where and what to do.

    The command line prints every line of the message as ``sendonce: <line>`` on standard error,
    without a traceback, and ends with ``exit_code``.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
