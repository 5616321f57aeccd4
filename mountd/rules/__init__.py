"""Decisions: pure, synchronous, no clock, no I/O."""
