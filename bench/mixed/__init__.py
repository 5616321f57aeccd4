"""The mixed load: streams, random reads, small files and walks at once, far away and with faults; every byte verified."""
