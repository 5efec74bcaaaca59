"""Near-duplicates: perceptual hashes of media, their join, and what is done about the pairs (docs/duplicates.md)."""
