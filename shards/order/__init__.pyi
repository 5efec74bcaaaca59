"""The names that this room gives to others."""

from .random_numbers import UInt64 as UInt64
from .random_numbers import hash64 as hash64
from .random_numbers import name_hash as name_hash
from .random_numbers import rng as rng
