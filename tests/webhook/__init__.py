"""The edge function delivery-webhook: a real Deno process over a real PostgreSQL."""
