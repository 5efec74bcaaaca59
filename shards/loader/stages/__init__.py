"""The stages from a plan to a batch: fetch, decode, collate, and the pipeline that joins them."""
