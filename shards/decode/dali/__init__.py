"""DALI: decoding on the GPU (or by its CPU operators), and remuxing for it."""
