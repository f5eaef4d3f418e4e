"""The schema that this version brings, and the ways to get it into a database or a project."""
