"""The foundation of every room: errors, the config base, safe text, secrets, processes and open files."""

import lazy_loader

# The names that this room gives to others stand in __init__.pyi; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
