"""The one composition root: builds everything, owns the nurseries."""
