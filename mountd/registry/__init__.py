"""Datastore definitions, their database and their secrets."""
