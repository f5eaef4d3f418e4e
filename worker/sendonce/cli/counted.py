"""A number with its noun, as people say it."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 campaign``, ``2,000 campaigns``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
