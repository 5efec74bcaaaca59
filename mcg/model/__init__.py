"""Models: one file per part. A model offers verbs (encode_video, encode_text, fuse, decode) and computes no loss."""
