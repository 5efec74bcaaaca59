"""Media made for training: what they become (profiles), and how each kind is made."""
