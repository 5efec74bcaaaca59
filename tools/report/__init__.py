"""The report of a dataset: a folder of static files around one page."""
