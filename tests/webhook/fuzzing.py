"""How much is tried, and how: by default the same few examples every time, on demand many new ones.

SENDONCE_FUZZ_EXAMPLES=2000 tries so many for each test, other ones at every run.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_WANTED: Final = int(os.environ.get("SENDONCE_FUZZ_EXAMPLES") or 0)

_COMMON: Final = settings(
    # What is tested is a whole function over a whole database: no example has a time to keep.
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        # The fixtures look at what all examples of a test left behind.
        HealthCheck.function_scoped_fixture,
    ],
    print_blob=True,
)


def tries(number: int) -> Callable[[Any], Any]:
    """Decorate a test with how many examples it tries where nobody asks for more."""
    if _WANTED:
        return settings(_COMMON, max_examples=max(_WANTED, number))
    # Nobody wants a test that fails for one in a hundred, and is gone when looked at.
    return settings(_COMMON, max_examples=number, derandomize=True, database=None)


def somewhere(data: st.DataObject, size: int) -> int:
    """Draw a number below `size`, which differs between runs where ids have more digits."""
    return data.draw(st.integers(0, 9_999)) % size
