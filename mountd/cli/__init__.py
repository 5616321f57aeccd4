"""People's door: the `mountd` and `mountctl` commands."""
