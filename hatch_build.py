"""Put what an installed `sendonce` needs of the rest of the repository into the wheel.

An editable installation reads it from the checkout (worker/sendonce/schema/shipped_files.py) and
gets no copies, which would grow old.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RepositoryFiles(BuildHookInterface[Any]):
    """Adds the schema, the migrations and the edge functions."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds; `version` is `standard` or `editable`."""
        if version == "standard":
            build_data["force_include"].update(
                {
                    "complete_schema.sql": "sendonce/schema/complete_schema.sql",
                    "supabase/migrations": "sendonce/schema/migrations",
                    "supabase/functions": "sendonce/schema/functions",
                }
            )
