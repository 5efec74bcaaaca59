"""DALI: decoding on the GPU, or by its CPU operators."""
