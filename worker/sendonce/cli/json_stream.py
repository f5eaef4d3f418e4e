"""Writes a document with a long list in it while the list is read: it need not fit in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def write(head: Mapping[str, Any], name: str, rows: Iterable[Any]) -> None:
    """One document on standard output: the fields of ``head``, then the list called ``name``."""
    sys.stdout.write("{")
    for field, value in head.items():
        sys.stdout.write(f"\n  {_text(field)}: {_text(value)},")
    sys.stdout.write(f"\n  {_text(name)}: [")
    separator = "\n    "
    for row in rows:
        sys.stdout.write(separator + _text(row))
        separator = ",\n    "
    sys.stdout.write("\n  ]\n}\n")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
