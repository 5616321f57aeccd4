"""YAML to a frozen, validated configuration; every problem named with its file, line and key."""
