"""`python -m proof.chaos`: see the package."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from proof.chaos.run import run_chaos
from proof.chaos.settings import ChaosSettings


def main() -> int:
    """Read the command line and run. The exit code: 0, 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m proof.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="draws the faults; by default one is drawn")
    parser.add_argument("--minutes", type=float, default=10, help="minutes of faults (10)")
    parser.add_argument("--contacts", type=int, help="contacts in all; by default as many as fit")
    parser.add_argument("--campaign-size", type=int, default=600, help="contacts at most (600)")
    parser.add_argument("--rate", type=float, default=45, help="messages/s and account (45)")
    parser.add_argument("--gap", type=float, default=1, help="mean seconds between faults (1)")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    parser.add_argument("--keep", action="store_true", help="keep timeline, ledger and logs")
    parser.add_argument("--directory", type=Path, help="where they go, and stay")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    return run_chaos(
        ChaosSettings(
            seed=seed,
            seconds=given.minutes * 60,
            contacts=given.contacts,
            campaign_size=given.campaign_size,
            rate=given.rate,
            gap=given.gap,
            as_json=given.json,
            keep=given.keep,
        ),
        given.directory,
    )


if __name__ == "__main__":
    sys.exit(main())
