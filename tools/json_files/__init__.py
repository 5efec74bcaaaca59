"""Files of JSON: their splits, and objects that are larger than memory."""
