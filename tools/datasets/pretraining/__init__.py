"""Sets of captions to pre-train on: a file per dataset; tools/datasets/__init__.py says what a dataset is."""
