"""The words of the control API, shared by client and server: standard-library dataclasses only."""
