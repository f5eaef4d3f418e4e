"""Put what an installed `sendonce` needs of the rest of the repository into the wheel.

An editable installation reads it from the checkout (worker/sendonce/local/tools_directory.py) and
gets no copies, which would grow old.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RepositoryFiles(BuildHookInterface[Any]):
    """Adds the schema and the edge functions."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds; `version` is `standard` or `editable`."""
        if version == "standard":
            build_data["force_include"].update(
                {
                    "complete_schema.sql": "sendonce/local/complete_schema.sql",
                    "supabase/functions": "sendonce/local/functions",
                }
            )
