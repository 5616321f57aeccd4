"""The host: logging, signals, sd_notify."""
