"""Install the schema into a database: `complete_schema.sql` in one transaction, or nothing."""

from pathlib import Path

import psycopg

from sendonce.schema.shipped_files import complete_schema

#: What the file's own preflight raises: foreign tables of our names, installed already.
_PREFLIGHT_STATES = ("SO001", "SO002")
_OLDEST_SERVER = 150_000
_COMMIT = "commit;"


class InstallError(RuntimeError):
    """The schema was not installed and the database is as it was."""


def install_schema(url: str, *, file: Path | None = None, dry_run: bool = False) -> None:
    """Install into the database at `url`, as the user it names, who will own everything.

    A dry run does the same and rolls it back. Raises InstallError with the database's own words
    when it refuses: it is installed already, foreign tables have the names it needs (SO001, SO002),
    or the user may not create schemas.
    """
    path = complete_schema() if file is None else file
    if not path.is_file():
        raise InstallError(f"{path} does not exist; `make generate` makes it from sql/schema")
    # The file brings its own begin and commit, so that psql installs it whole as well.
    text = path.read_text(encoding="utf-8")
    if dry_run:
        text = _rolled_back(path, text)
    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.info.server_version
        if version < _OLDEST_SERVER:
            raise InstallError(f"PostgreSQL {version // 10_000} is too old: it takes 15 or newer")
        try:
            connection.execute(text.encode())
        except psycopg.Error as error:
            raise InstallError(_explanation(path, text, error)) from error


def _rolled_back(path: Path, text: str) -> str:
    before = text.rstrip().removesuffix(_COMMIT)
    if before == text.rstrip():
        raise InstallError(f"{path} does not end in {_COMMIT!r}, so it cannot be tried")
    return f"{before}rollback;\n"


def _explanation(path: Path, text: str, error: psycopg.Error) -> str:
    """Return where, what and what to do, in the database's words."""
    diagnosis = error.diag
    where = ""
    if error.sqlstate not in _PREFLIGHT_STATES:
        where = f"{path.name}: "
        if diagnosis.statement_position:
            line = text.count(chr(10), 0, int(diagnosis.statement_position)) + 1
            where = f"{path.name}:{line}: "
    words = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    if not diagnosis.message_hint:
        words.append(diagnosis.context)
    said = ". ".join(word.rstrip(".") for word in words if word) or str(error)
    state = f" [{error.sqlstate}]" if error.sqlstate else ""
    return f"{where}{said}{state}"
