"""Packing: what GPU decoders get of a video: the packets they need, in a file that every one of them reads alike."""
