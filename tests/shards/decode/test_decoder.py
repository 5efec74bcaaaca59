"""What decoders say when they cannot."""

from __future__ import annotations

import pytest

from shards.decode.decoder import Backend, Unsuitable
from shards.media.clip_plan import ClipPlan


def test_a_reason_is_counted_and_the_text_says_more() -> None:
    with pytest.raises(Unsuitable, match=r"^codec: h264$") as info:
        raise Unsuitable("codec", "h264")
    assert info.value.reason == "codec" and str(Unsuitable("plan")) == "plan"


def test_a_backend_has_a_reason_and_no_threads_that_wait_unless_it_says_otherwise() -> None:
    def decode(media: object, kind: str, plan: ClipPlan) -> str:
        return kind

    backend = Backend("cpu", decode)  # type: ignore[arg-type]
    assert not backend.waiting and backend.reason == "the configuration says so"
