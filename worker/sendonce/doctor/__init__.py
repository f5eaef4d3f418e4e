"""What ``sendonce doctor`` looks at: one file for each group of checks.

A check finds, it never changes: everything it asks the database runs in a read-only transaction.
"""
