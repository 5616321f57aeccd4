"""What the tree means: names, attributes, handles."""
