"""How lists of contacts are read, without a database."""
