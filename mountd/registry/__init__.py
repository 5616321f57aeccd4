"""Datastore definitions, their database, their secrets. `registry.Registry` is the door; it knows no storage and no tree."""
