"""Files of a run that survive: written whole, known by checksum, owned by one process at a time."""
