"""Install the schema into a database: `complete_schema.sql` in one transaction, or nothing."""

from pathlib import Path

import psycopg

from sendonce.local.tools_directory import checkout


class InstallError(RuntimeError):
    """The schema was not installed and the database is as it was."""


def complete_schema() -> Path:
    """Return the path of `complete_schema.sql`: the checkout's, or the one in the package."""
    root = checkout()
    path = Path(__file__).parent if root is None else root
    return path / "complete_schema.sql"


def install_schema(url: str, *, file: Path | None = None) -> None:
    """Install into the database at `url`, as the user it names, who will own everything.

    Raises InstallError with the database's own words when it refuses: it is installed already,
    foreign tables have the names it needs (SO001, SO002), or the user may not create schemas.
    """
    path = complete_schema() if file is None else file
    if not path.is_file():
        raise InstallError(f"{path} does not exist; `make generate` makes it from sql/schema")
    # The file brings its own begin and commit, so that psql installs it whole as well.
    text = path.read_text(encoding="utf-8")
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(text.encode())
        except psycopg.Error as error:
            raise InstallError(_explanation(path, text, error)) from error


def _explanation(path: Path, text: str, error: psycopg.Error) -> str:
    """Return where, what and what to do, in the database's words."""
    diagnosis = error.diag
    line = ""
    if diagnosis.statement_position:
        line = f":{text.count(chr(10), 0, int(diagnosis.statement_position)) + 1}"
    words = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    if not diagnosis.message_hint:
        words.append(diagnosis.context)
    said = ". ".join(word.rstrip(".") for word in words if word) or str(error)
    state = f" [{error.sqlstate}]" if error.sqlstate else ""
    return f"{path.name}{line}: {said}{state}"
