"""What others keep datasets in, read record by record: a file per form; tools/datasets/containers/ makes rows of it."""
