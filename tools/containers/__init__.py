"""What others keep datasets in, read record by record: a file per form, whose `rows` is in tools/datasets/containers/."""
