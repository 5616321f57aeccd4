"""What the kernel really asks of a mount when libraries read their formats: recorded, and replayed against the rules."""
