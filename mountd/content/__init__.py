"""Bytes of files: block cache, reading, transfers."""
