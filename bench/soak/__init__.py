"""The long run: random readers on a real mount, a storage with every fault, a second client, kills; every byte verified."""
