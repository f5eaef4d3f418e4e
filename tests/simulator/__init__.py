"""The simulator, driven from outside over HTTP."""
