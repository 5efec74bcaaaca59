"""The names that this room gives to others."""
