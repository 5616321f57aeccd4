"""How fast mountd is, as ratios against peers measured in the same run. `python -m bench --help`."""
