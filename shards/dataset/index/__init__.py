"""The index of a dataset: its rows and columns, reading and writing it."""
