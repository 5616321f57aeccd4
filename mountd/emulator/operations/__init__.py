"""What the service does, a file a family. Each operation is a function from a Call to a Response; none waits."""
