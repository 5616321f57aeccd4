"""The operator's door: HTTP and JSON over a Unix socket."""
