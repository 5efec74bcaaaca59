"""Decoding: the bytes of a medium and a clip plan become frames, on the CPU or the GPU."""

import lazy_loader

# The names that this room gives to others stand in __init__.pyi; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
