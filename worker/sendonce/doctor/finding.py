"""What a check says: how bad it is, what it saw, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """From good to bad; ``not_checked`` says that nobody could look."""

    OK = "ok"
    NOT_CHECKED = "not_checked"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    said: str
    remedy: str | None = None


def ok(check: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, said)


def warning(check: str, said: str, remedy: str) -> Finding:
    """Works, and will cost somebody something."""
    return Finding(check, Level.WARNING, said, remedy)


def error(check: str, said: str, remedy: str) -> Finding:
    """Does not work, or does not keep a promise."""
    return Finding(check, Level.ERROR, said, remedy)


def not_checked(check: str, said: str, remedy: str | None = None) -> Finding:
    """Nobody could look; that is no fault by itself."""
    return Finding(check, Level.NOT_CHECKED, said, remedy)
