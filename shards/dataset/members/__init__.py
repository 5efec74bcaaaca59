"""The members of a sample: which is the medium, which hold its texts, and the records in them."""
