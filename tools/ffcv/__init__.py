"""FFCV files (.beton): the frames of a small dataset in one file, which `source: ffcv` reads; docs/ffcv.md."""
