"""Search: which clips fit a text, and which texts a clip, by a trained model."""
