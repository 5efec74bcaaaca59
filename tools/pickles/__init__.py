"""Pickled annotation files, read without pickle: plain values, arrays and data frames, and no code of the file."""
