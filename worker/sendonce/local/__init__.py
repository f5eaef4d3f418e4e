"""Throw-away services on this machine, for the demo and the tests: PostgreSQL and Deno.

Nothing here is needed to run Sendonce against a database of one's own.
"""
