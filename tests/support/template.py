"""The database that the others are copied from: the schema installed, nobody in it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sendonce.local.supabase_roles import prepare_like_supabase
from sendonce.schema.into_database import install_schema
from support.database import Database, create_database, drop_database, let_roles_log_in


@contextmanager
def template_database(server_url: str) -> Iterator[Database]:
    """Make a template on the server, and drop it afterwards."""
    database = create_database(server_url, f"sendonce_template_{secrets.token_hex(4)}")
    try:
        with database.connect() as connection:
            prepare_like_supabase(connection, default_privileges="withheld")
        install_schema(database.url)
        with database.connect() as connection:
            let_roles_log_in(connection)
        yield database
    finally:
        drop_database(server_url, database.name)
