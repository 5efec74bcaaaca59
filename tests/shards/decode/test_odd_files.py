"""Every odd file of the corpus decodes right or is refused for the right reason, and none takes the process along.

The tables say what is expected of each: what its facts are (which is what decoding gives), or the reason.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shards.decode.confined import outcomes

MOST_MB = 300
"""Resident memory that the odd files may take; the largest is 1920x1080."""

Good = tuple[int, int, int]
"""(width, height, frames)."""
INVALID = "not a video: Invalid data found when processing input"
VIDEOS: dict[str, Good | str] = {
    "UPPER CASE and späces.MP4": (426, 240, 120),
    "afl_48x144.mp4": (48, 144, 12),
    "audio_only.mp4": "^no video stream$",
    "big_time_offset.mp4": (768, 432, 57),
    "bitflips.mp4": r"frame 45 was planned but decoding fails after 18 frames \(Invalid data",
    "black_only.mp4": (320, 240, 75),
    "cut_mid_gop.mp4": (1280, 720, 92),  # without the 99 that its edit list hides
    "decord_corrupted.mp4": r"frame 31 was planned but decoding fails after 28 frames \(Invalid data",
    "decord_unordered.mov": (50, 50, 4),
    "decord_video_0.mov": (568, 320, 3),
    "decord_video_180.mov": (568, 320, 3),
    "decord_video_270.mov": (320, 568, 3),
    "decord_video_90.mov": (320, 568, 3),
    "firefox_bipbop-no-edts.mp4": (400, 300, 297),
    # what the stream has, not what the container says
    "firefox_bipbop_short_pixel_metadata_bigger_than_in_stream_vp8.webm": (400, 300, 27),
    "firefox_bipbop_short_pixel_metadata_narrower_than_in_stream_vp8.webm": (400, 300, 27),
    "firefox_bug557094.ogv": (720, 576, 7),
    "firefox_detodos-short.webm": "^no video stream$",
    "firefox_empty-samples.webm": r"^is empty \(0 bytes\)$",
    "firefox_mp4_box_emptyrange.mp4": INVALID,
    "firefox_no-container-codec-delay.webm": (640, 480, 53),
    "firefox_resolution-change.webm": (60, 40, 197),
    "firefox_start_at_47721s.mp4": (480, 270, 150),
    "firefox_track-with-zero-dimensions.mp4": r"frame 7 was planned but decoding fails after 5 frames \(Invalid data",
    "firefox_vp9-superframes.webm": (1920, 1080, 120),
    "firefox_vp9hdr2020.webm": (1280, 720, 1),
    "firefox_white-short.webm": (320, 240, 30),
    "fps_240.mp4": (214, 120, 240),
    "fps_half.mp4": (426, 240, 5),
    "gradio_playable_but_bad_container.mp4": (480, 270, 150),
    "gradio_video_sample.avi": (480, 270, 150),
    "gradio_video_sample.webm": (480, 270, 150),
    "html_error_page.mp4": INVALID,
    "interlaced.mpg": (480, 270, 60),
    "libwebm_bbb_480p_vp9_opus_1second.webm": (854, 480, 24),
    "libwebm_block_ends_beyond_cluster.mkv": "^none of its 1 frames is a key frame, so none can be decoded$",
    "libwebm_fixed_lacing_bad_lace_size.mkv": "^no frame can be decoded$",
    "libwebm_invalid_vp9_bitstream-bug_1416.webm": "^12336x12336 pixels are too many",
    "libwebm_set_segment_duration.webm": "^damaged.*: Invalid data",
    "moviepy_bitmap.mp4": (1, 1, 5),
    "moviepy_no_duration.webm": (1280, 720, 74),
    "moviepy_transparent.webm": (200, 200, 150),
    "mp3_with_cover.mp3": "^unknown extension 'mp3'",
    "mp4_named.avi": (426, 240, 120),
    "negative_start.mkv": (768, 432, 57),
    "odd_size_333x187_yuv444.mp4": (333, 187, 60),
    "one_frame.mp4": (426, 240, 1),
    "quote's & percent%20.mp4": (426, 240, 120),
    "random_bytes.mp4": INVALID,
    "resolution_change.ts": (426, 240, 38),
    "rotate90_metadata.mp4": (480, 270, 120),
    "stream_sample_cut.mkv": (1024, 576, 3),
    "tall_32x1200.mp4": (32, 1200, 60),
    "tiny_16x16.mp4": (16, 16, 60),
    "torchcodec_av1_video.mkv": (640, 360, 125),
    "torchcodec_h264_10bits.mp4": (200, 200, 30),
    "torchcodec_h265_10bits.mp4": (200, 200, 30),
    "torchcodec_h265_video.mp4": (128, 128, 10),
    "tracker_5frames.mp4": (864, 480, 5),
    "truncated.webm": (640, 360, 110),
    "truncated_faststart.mp4": (426, 240, 41),  # those whose bytes are there, of the 120 that are promised
    "truncated_no_index.avi": (640, 360, 48),
    "truncated_no_moov.mp4": INVALID,
    "ts_starts_mid_packet.ts": (640, 360, 9),  # the first key frame comes behind 90 frames that cannot be shown
    "two_frames.mp4": (426, 240, 2),
    "two_video_streams.mkv": (512, 288, 44),  # the second, which is the default one
    "wide_1920x32.mp4": (1920, 32, 60),
    "zero_bytes.mp4": r"^is empty \(0 bytes\)$",
}
IMAGES: dict[str, Good | str] = {
    "animated.webp": (225, 150, 1),
    "bomb_20000x20000.png": "^its pixels are too many: ",
    "byte_noise.jpg": (225, 150, 1),
    "cmyk.jpg": (225, 150, 1),
    "cut_half.jpg": "the JPEG file is truncated",
    "exif_orientation6.jpg": (150, 225, 1),
    "foo3x5x4indexed.png": (5, 3, 1),
    "gray.jpg": (225, 150, 1),
    "gray_16bit.tif": (200, 200, 1),
    "html_page.jpg": "but an HTML page; ",
    "imageio_issue245.gif": (30, 24, 1),
    "la.png": (225, 150, 1),
    "one_bit.png": (225, 150, 1),
    "one_pixel.png": (1, 1, 1),
    "palette_color.png": (10, 10, 1),
    "png_named.jpg": (225, 150, 1),
    "svg_named.jpg": "but an SVG drawing; convert it",
    "tall_2x3000.png": (2, 3000, 1),
    "wide_3000x2.jpg": (3000, 2, 1),
    "zero_bytes.jpg": r"^is empty \(0 bytes\)$",
}


@pytest.mark.parametrize(("kind", "expected"), [("videos", VIDEOS), ("images", IMAGES)])
def test_odd_files_decode_right_or_are_refused_for_the_right_reason(
    corpus: Path, kind: str, expected: dict[str, Good | str]
) -> None:
    with (corpus / f"{kind}_odd.csv").open() as file:
        listed = [row["file"] for row in csv.DictReader(file)]
    assert sorted(listed) == sorted(expected), "the tables of this test and of the corpus differ"
    before, *found = outcomes(*(str(corpus / f"{kind}_odd" / name) for name in expected))
    assert [one["name"] for one in found] == list(expected)
    for one in found:
        wanted = expected[one["name"]]
        if isinstance(wanted, str):
            assert "mean" not in one and re.search(wanted, one["reason"]), one
        else:
            assert "mean" in one and (*one["size"], one["frames"]) == wanted, one
        assert one["peak_mb"] < before["peak_mb"] + MOST_MB, one
    means = {one["name"]: one["mean"] for one in found if "mean" in one}
    _check_means(kind, means)


def _check_means(kind: str, means: dict[str, Any]) -> None:
    """Brightness, where another file holds the same scene or the scene is known."""
    if kind == "images":
        # Of one colour picture, five times, and of its gray version.
        colour = [means[name] for name in ("animated.webp", "cmyk.jpg", "png_named.jpg", "exif_orientation6.jpg")]
        assert max(colour) - min(colour) < 2
        gray = [means[name] for name in ("gray.jpg", "la.png", "one_bit.png")]
        assert max(gray) - min(gray) < 4
        return
    assert means["black_only.mp4"] < 1 and means["firefox_white-short.webm"] > 254
    same = ("UPPER CASE and späces.MP4", "mp4_named.avi", "quote's & percent%20.mp4")
    assert len({means[name] for name in same}) == 1
    assert abs(means["gradio_video_sample.avi"] - means["gradio_video_sample.webm"]) < 2
    assert abs(means["big_time_offset.mp4"] - means["negative_start.mkv"]) < 1
