"""Where the SQL and the edge functions are: in the checkout, or beside this file when installed.

hatch_build.py puts them there.
"""

from pathlib import Path

from sendonce.local.tools_directory import checkout


def complete_schema() -> Path:
    """Return the path of `complete_schema.sql`: the whole schema in one transaction."""
    root = checkout()
    return (Path(__file__).parent if root is None else root) / "complete_schema.sql"


def migrations_directory() -> Path:
    """Return the folder of the migrations, whose names sort in the order of their application."""
    return _supabase() / "migrations"


def functions_directory() -> Path:
    """Return the folder that holds one folder for each edge function."""
    return _supabase() / "functions"


def _supabase() -> Path:
    root = checkout()
    return Path(__file__).parent if root is None else root / "supabase"
