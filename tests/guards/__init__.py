"""Each guard of the schema is taken away, and a named pgTAP file must notice."""
