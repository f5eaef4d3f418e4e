"""The demo: a campaign goes out while its worker is killed, and an audit says what became of it.

settings    what happens, and how often what goes wrong
contacts    made-up people, and which of them cannot be reached
processes   starts and ends everything, whatever interrupts it
stack       PostgreSQL, edge function, simulator and worker, wired together
campaign    what an operator does: account, template, prices, recipients, start, progress
scenario    sends the campaign and kills the worker
live_view   what one sees meanwhile
evidence    what the provider's ledger and the database say afterwards
audit       compares the two; data in, tables and findings out
layout      lines with a label
report      prints the audit
run         the whole of it
"""
