"""The names that this room gives to others."""

from .backends import open_backend as open_backend
from .backends import open_decoder as open_decoder
from .cpu import decode as decode
from .decoder import Frames as Frames
