"""Videos: what demuxing says about frames, key frames and time."""
