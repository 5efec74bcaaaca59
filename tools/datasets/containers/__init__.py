"""Datasets in containers of other tools: a file per form; tools/datasets/__init__.py says what a dataset is."""
