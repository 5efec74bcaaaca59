"""Still pictures: formats, damage that can be mended, transparency."""
