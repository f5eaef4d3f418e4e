"""Reads lists of contacts: CSV, TSV and XLSX files, their headers, and the numbers in them."""
