"""Programs' door: a synchronous client of the control socket, with the names Azure ML's v1 SDK gave things."""
