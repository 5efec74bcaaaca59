"""How the processes of a run start, find and watch each other, and what they say when they fail."""
