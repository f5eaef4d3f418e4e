"""Several sessions at once against one database."""
