"""The frames of a video that are shown: those that plain linear decoding gives, without what is damaged at the start.

Frames are numbered from the first that is shown. Not shown, and not counted, are frames before the first key frame that
can be decoded, and frames stored behind it that refer to what is before it (leading pictures of an open GOP). Decoders
of most codecs hold such frames back, or refuse them; those in _CODECS_THAT_SHOW_ALL give gray or smeared ones, which
are left out here until the first frame that its own bits call a key frame. Of codecs that say nothing in their frames
(QuickTime Animation, Flash screen video, ...) the container's word is taken for where the first key frame is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shards.base.errors import MediaError
from shards.media.videos.video import decode_packet, demux, gives_frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CODECS_THAT_HIDE = ("h264", "hevc", "mpeg1video", "mpeg2video", "vp8", "vp9", "av1")
"""Codecs whose decoders give no frame before they have found a place where decoding can start; in H.264 that need not
be a key frame (rolling refresh)."""
_CODECS_THAT_SHOW_ALL = (
    *("mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "wmv3", "vc1", "h261", "h263", "h263i", "h263p"),
    *("flv1", "rv10", "rv20", "rv30", "rv40", "theora", "vp3", "vp5", "vp6", "vp6f", "svq1", "svq3"),
)
"""Codecs whose decoders give frames from the first packet on, whatever it refers to, and know their key frames."""
_INTRA = 1
"""FFmpeg's number for pictures that refer to no other."""


class Screen:
    """Decodes the packets of a stream and gives the frames that are shown. Errors before the first of them are kept,
    not raised."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self.codec = context.codec.canonical_name
        self._context = context
        self._has_key = self.codec in _CODECS_THAT_HIDE or self.codec in _CODECS_THAT_SHOW_ALL
        self.has_begun = False
        self.error: Exception | None = None
        """The last error before the first frame."""
        self.num_fed = self.num_keys = 0
        """Packets that hold a frame, and a key frame, so far."""

    def feed(self, packet: Packet) -> list[VideoFrame]:
        """The frames that a packet completes and that are shown. Raises FFmpegError, once one has been shown."""
        from av import FFmpegError

        self.num_fed += gives_frame(packet, self.codec)
        self.num_keys += packet.is_keyframe
        self._has_key = self._has_key or packet.is_keyframe
        if not self._has_key:
            return []
        try:
            frames = decode_packet(packet)
        except FFmpegError as error:
            if self.has_begun:
                raise
            self.error = error
            return []
        return self._shown(frames)

    def rest(self) -> list[VideoFrame]:
        """The frames that the decoder still holds back; nothing can be fed after that."""
        from av import FFmpegError

        try:
            return self._shown(self._context.decode(None))
        except FFmpegError:
            return []

    def no_frame(self) -> MediaError:
        """The error for a stream of which everything was fed and nothing is shown."""
        if self.num_fed and not self.num_keys:
            return MediaError(f"none of its {self.num_fed} frames is a key frame, so none can be decoded")
        if self.error is not None:
            reason = getattr(self.error, "strerror", None) or self.error
            return MediaError(f"damaged before the first frame: {reason}")
        return MediaError("no frame can be decoded")

    def _shown(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        if self.has_begun:
            return frames
        for at, frame in enumerate(frames):
            if self._can_be_first(frame):
                self.has_begun = True
                return frames[at:]
        return []

    def _can_be_first(self, frame: VideoFrame) -> bool:
        if frame.is_corrupt:
            return False
        return self.codec not in _CODECS_THAT_SHOW_ALL or frame.key_frame or frame.pict_type == _INTRA


def shown_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """All frames that are shown, in order; of a file that was cut off those before the cut. Raises FFmpegError."""
    from av import FFmpegError

    screen = Screen(stream)
    packets = demux(container, stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            yield from screen.rest()
            return
        if packet is None:
            return
        yield from screen.feed(packet)
