"""Ways of answering a question about a clip: one file per way."""
