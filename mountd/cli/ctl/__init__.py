"""mountctl's parts: its arguments, one file of commands a topic, and how answers and errors are shown."""
