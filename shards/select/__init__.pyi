"""The names that this room gives to others."""

from .selection import Selection as Selection
from .selection import open_selection as open_selection
