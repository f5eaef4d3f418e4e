"""Seeded chaos: everything fails at once, and afterwards the provider's ledger is compared.

`python -m proof.chaos --seed 7 --minutes 10` (with `tests` on the path) runs it; the same seed
draws the same faults. It prints the seed first and its verdict last.
"""
