"""Sets of questions about videos: a file per dataset; tools/datasets/__init__.py says what a dataset is."""
