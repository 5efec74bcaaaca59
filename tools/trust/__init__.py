"""Whether a dataset of shards holds what it promises: annotation files, splits, texts, published counts."""
