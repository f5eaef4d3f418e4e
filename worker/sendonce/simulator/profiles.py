"""Named sets of faults, and profile files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sendonce.simulator.faults import Faults

_HEALTHY: dict[str, Any] = {
    "latency_mean": 0.05,
    "latency_jitter": 0.02,
    "sent_delay": 0.2,
    "delivered_delay": 0.8,
    "read_delay": 3.0,
    "delay_jitter": 0.5,
    "delivered_rate": 0.97,
    "read_rate": 0.6,
}

PROFILES: dict[str, dict[str, Any]] = {
    # No fault and no delay: what tests start from.
    "instant": {},
    # A good day: 50 ms to the reply, nearly everything delivered, more than half read.
    "healthy": _HEALTHY,
    # A bad day: a bit of every fault the provider is known for.
    "rough": _HEALTHY
    | {
        "latency_mean": 0.08,
        "latency_jitter": 0.06,
        "errors": {2: 0.004, 131000: 0.002, 131016: 0.002, 131026: 0.002, 135000: 0.002},
        "cut_before_body": 0.002,
        "cut_after_body": 0.002,
        "cut_after_acceptance": 0.004,
        "silence_after_acceptance": 0.0005,
        "truncated_reply": 0.001,
        "server_error": 0.002,
        "server_error_after_acceptance": 0.002,
        "provider_server_error": 0.001,
        "provider_server_error_after_acceptance": 0.001,
        "garbage_after_acceptance": 0.001,
        "plain_429": 0.001,
        "report_errors": {131026: 0.01, 131049: 0.005},
        "delivered_after_failed": 0.1,
        "read_without_delivered": 0.05,
        "report_early": 0.05,
        "report_duplicated": 0.2,
        "report_copies": 3,
        "report_reordered": 0.1,
        "report_late": 0.02,
        "report_late_seconds": 10.0,
        "report_lost": 0.01,
        "recipient_hidden": 0.02,
        "timestamp_milliseconds": 0.05,
        "held_for_quality": 0.005,
        "held_dropped": 0.2,
    },
    # A provider that takes seconds for a reply and minutes for a report.
    "slow": _HEALTHY
    | {
        "latency_mean": 2.0,
        "latency_jitter": 1.5,
        "sent_delay": 10.0,
        "delivered_delay": 60.0,
        "read_delay": 300.0,
    },
    # A number on the lowest throughput tier, met with HTTP 429.
    "throttled": _HEALTHY | {"throttle_rate": 20.0, "throttle_status": 429},
    # Replies are lost and reports with them: what ends as unknown.
    "silent": _HEALTHY | {"cut_after_acceptance": 0.05, "report_lost": 0.5},
    # Nothing gets through: HTTP 503 without the provider's error, until it is switched off.
    "outage": _HEALTHY | {"outage": "unavailable"},
}


class SettingsError(ValueError):
    """A setting that cannot be used; the text says which and what to do, in one line."""


def one_line(error: ValidationError) -> str:
    """The first complaint of a validation as ``name: what is wrong``."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    what = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "there is no such setting"
    return f"{name}: {what}" if name else what


def make_faults(values: Mapping[str, Any]) -> Faults:
    """Validated faults. Raises SettingsError."""
    try:
        return Faults.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError(one_line(error)) from error


def profile_values(profile: str) -> dict[str, Any]:
    """The faults of a named profile, or of a TOML file when the name is a path.

    A file holds the names of ``Faults`` at its top level, and may start from a named profile with
    ``extends = "rough"``. Raises SettingsError.
    """
    if profile in PROFILES:
        return dict(PROFILES[profile])
    path = Path(profile)
    if path.suffix != ".toml":
        known = ", ".join(sorted(PROFILES))
        raise SettingsError(f"profile: {profile!r} is neither one of {known} nor a .toml file")
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"profile: cannot read {profile}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"profile: {profile} is not TOML: {error}") from error
    base = values.pop("extends", None)
    if base is None:
        merged = values
    elif isinstance(base, str) and base in PROFILES:
        merged = PROFILES[base] | values
    else:
        raise SettingsError(f"profile: {profile} extends {base!r}, which is no named profile")
    try:
        make_faults(merged)
    except SettingsError as error:
        raise SettingsError(f"profile: {profile}: {error}") from error
    return merged
