"""Losses over all pairs of a batch, and the batch that they may be over: several loader batches, of all ranks."""
