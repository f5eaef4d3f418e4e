"""Adapters: one message to one provider, one outcome back."""
