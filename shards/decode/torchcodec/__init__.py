"""Decoding with torchcodec."""
