"""Named points where a test may end this process as a crash would, without a farewell.

``SENDONCE_STOP_AT=after_dispatch`` kills the worker the first time it passes that point,
``after_dispatch:37`` the 37th time. Unset, which is always so outside tests, every point costs one
look at ARMED.

Points: after_claim, after_dispatch, request_half_written, after_acceptance, before_record,
after_record.
"""

from __future__ import annotations

import os
import signal

from aiohttp.abc import AbstractStreamWriter

VARIABLE = "SENDONCE_STOP_AT"
POINTS = (
    "after_claim",
    "after_dispatch",
    "request_half_written",
    "after_acceptance",
    "before_record",
    "after_record",
)

_point, _, _count = os.environ.get(VARIABLE, "").partition(":")
_passes_left = int(_count) if _count.isdigit() else 1

#: Whether any point is set.
ARMED = _point in POINTS


def unknown_point() -> str | None:
    """The point asked for, where there is none of that name."""
    return None if ARMED or not _point else _point


def reached(point: str) -> None:
    """End the process at once if this is the point, and the pass, that was asked for."""
    global _passes_left
    if point != _point:
        return
    _passes_left -= 1
    if _passes_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


async def half_written(writer: AbstractStreamWriter, body: bytes) -> None:
    """At request_half_written: write the headers and half of the body, then end the process."""
    if _point == "request_half_written" and _passes_left <= 1:
        await writer.write(body[: len(body) // 2])
        await writer.drain()
    reached("request_half_written")
