"""The decisions of the agent. Pure: no I/O, no clock, no chance but as values."""
