"""Install into a Supabase project: the migration, the edge function and its line of config.toml.

First everything is looked at, then everything is written: a refusal leaves the project as it was.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sendonce.schema.shipped_files import functions_directory, migrations_directory

FUNCTION = "delivery-webhook"

_MIGRATION = re.compile(r"(\d+)_(.+)\.sql")
_STAMP = "%Y%m%d%H%M%S"
_SECTION = re.compile(
    rf"""^[ \t]*\[[ \t]*functions[ \t]*\.[ \t]*(["']?){FUNCTION}\1[ \t]*\].*$""", re.M
)
_COMMENT = "# The providers sign their reports; they hold no token of this project."
#: What the tools leave beside the function's files, and what is no file of ours.
_NOT_OURS = ("node_modules", ".")


class ProjectError(RuntimeError):
    """The project was not changed; the message says what is in the way and what to do."""


@dataclass(frozen=True)
class Plan:
    """What is to be written, in this order, and what is there already."""

    write: dict[Path, bytes] = field(default_factory=dict)
    unchanged: list[Path] = field(default_factory=list)

    def carry_out(self) -> None:
        """Write the files, each whole or not at all. Raises OSError."""
        for path, content in self.write.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            # What a link leads to is what is meant.
            target = path.resolve()
            half_written = target.with_name(f".{target.name}.sendonce")
            half_written.write_bytes(content)
            if target.exists():
                shutil.copymode(target, half_written)
            half_written.replace(target)


def plan(project: Path, *, now: datetime | None = None, force: bool = False) -> Plan:
    """Find out what the project's folder (the one with config.toml) lacks. Writes nothing.

    Raises ProjectError for the first thing that is in the way. With `force`, files of the function
    that differ are replaced; nothing else ever is.
    """
    config = project / "config.toml"
    if not config.is_file():
        remedy = "run `supabase init` first, or pass the folder that holds it"
        if (project / "supabase" / "config.toml").is_file():
            remedy = f"the project's folder is {project / 'supabase'}"
        raise ProjectError(f"{config} does not exist: {remedy}")
    result = Plan()
    _plan_function(result, project / "functions" / FUNCTION, force=force)
    _plan_config(result, config)
    # Last: with the migration in place, the rest is there too.
    _plan_migrations(result, project / "migrations", now or datetime.now(UTC))
    return result


def _plan_function(result: Plan, target: Path, *, force: bool) -> None:
    source = functions_directory() / FUNCTION
    differing = []
    for file in _files(source):
        path, content = target / file.relative_to(source), file.read_bytes()
        if path.is_file():
            if _same_text(path.read_bytes(), content):
                result.unchanged.append(path)
                continue
            differing.append(path)
        elif path.exists() or path.is_symlink():
            raise ProjectError(f"{path} is in the way: it is no file; move it elsewhere")
        elif blocked := next((p for p in path.parents if p.exists() and not p.is_dir()), None):
            raise ProjectError(f"{blocked} is in the way: it is no folder; move it elsewhere")
        result.write[path] = content
    if differing and not force:
        named = ", ".join(map(str, differing[:3])) + (", …" if len(differing) > 3 else "")
        raise ProjectError(
            f"{named} differs from this version's: keep a copy, then --force replaces the "
            "function's files"
        )


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith(_NOT_OURS):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _plan_config(result: Plan, path: Path) -> None:
    before = path.read_bytes()
    after = with_function(before, path)
    if after == before:
        result.unchanged.append(path)
    else:
        result.write[path] = after


def with_function(content: bytes, path: Path) -> bytes:
    """Return config.toml with the function open to callers without a token, else untouched.

    Raises ProjectError where it is not TOML, says otherwise, or cannot be added to.
    """
    by_hand = f"add verify_jwt = false to [functions.{FUNCTION}] by hand"
    try:
        text = content.decode("utf-8")
        settings = tomllib.loads(text)
    except ValueError as error:
        raise ProjectError(f"{path} cannot be read as TOML: {error}") from error
    functions: Any = settings.get("functions", {})
    section: Any = functions.get(FUNCTION, {}) if isinstance(functions, dict) else None
    if not isinstance(section, dict):
        raise ProjectError(f"{path} has something else under functions: {by_hand}")
    if section.get("verify_jwt") is False:
        return content
    if "verify_jwt" in section:
        raise ProjectError(
            f"{path} says verify_jwt = {str(section['verify_jwt']).lower()} in "
            f"[functions.{FUNCTION}]: the providers' reports come without a token and would be "
            "refused; set it to false"
        )
    newline = "\r\n" if "\r\n" in text else "\n"
    header = _SECTION.search(text)
    if header is not None:
        end = header.end() - (1 if header.group().endswith("\r") else 0)
        added = f"{newline}{_COMMENT}{newline}verify_jwt = false"
        changed = text[:end] + added + text[end:]
    else:
        gap = "" if text.endswith("\n") or not text else newline
        lines = ("", f"[functions.{FUNCTION}]", _COMMENT, "verify_jwt = false", "")
        changed = text + gap + newline.join(lines)
    wanted = {**settings, "functions": {**functions, FUNCTION: {**section, "verify_jwt": False}}}
    try:
        understood = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        understood = False
    if not understood:
        raise ProjectError(f"{path} is written in a way that cannot be added to: {by_hand}")
    return changed.encode("utf-8")


def _plan_migrations(result: Plan, target: Path, now: datetime) -> None:
    if target.exists() and not target.is_dir():
        raise ProjectError(f"{target} is in the way: it is no folder; move it elsewhere")
    there = {
        path: match
        for path in sorted(target.glob("*.sql"))
        if (match := _MIGRATION.fullmatch(path.name))
    }
    # Behind everything that may have been applied, whatever the clock says.
    stamp = max([int(now.strftime(_STAMP)), *(int(match[1]) + 1 for match in there.values())])
    for source in sorted(migrations_directory().glob("*.sql")):
        content = source.read_bytes()
        same = next((p for p in there if _same_text(p.read_bytes(), content)), None)
        if same is not None:
            result.unchanged.append(same)
            continue
        match = _MIGRATION.fullmatch(source.name)
        about = "" if match is None or match[2] == "initial" else f"_{match[2]}"
        name = f"sendonce{about}"
        other = next((path for path, found in there.items() if found[2] == name), None)
        if other is not None:
            raise ProjectError(
                f"{other} is the migration of another version of Sendonce: where it has been "
                "applied, upgrade with that version's migrations; else delete it and repeat this"
            )
        result.write[target / f"{stamp:014d}_{name}.sql"] = content
        stamp += 1


def _same_text(one: bytes, other: bytes) -> bool:
    # Git may have changed the ends of the lines.
    return one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n")
