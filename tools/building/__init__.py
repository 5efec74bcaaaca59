"""Building datasets of shards from rows: the driver, its options, and what it costs."""
