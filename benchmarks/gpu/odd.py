"""Media that a GPU must not be given, and damaged ones: the frames or the error of the CPU decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from gpu.check import Check, Found

from shards.base.errors import MediaError
from shards.decode.cpu import decode as cpu
from shards.media.clip_plan import ClipPlan
from tests.shards.decode.twins import MEDIA
from tests.shards.films import SEEKABLE, shoot


def _films(num_frames: int, size: tuple[int, int]) -> dict[str, bytes]:
    """The seekable films in a size, as far as their encoders can make it."""
    from av import FFmpegError

    films = {}
    for name, film in SEEKABLE.items():
        try:
            films[f"{name} {size[1]}x{size[0]}"] = shoot(film, num_frames, size)
        except FFmpegError:
            continue
    return films


def odd(check: Check) -> Found:
    """Odd and damaged media give the frames or the error of the CPU decoder, and the GPU works afterwards."""
    good = {path.name: path.read_bytes() for path in MEDIA}
    noise = np.random.default_rng(0)
    odd_media: dict[str, bytes] = {
        **{
            f"{name} cut at {share}": data[: int(share * len(data))]
            for name, data in good.items()
            for share in (0.3, 0.9)
        },
        **_films(20, (49, 63)),
        **_films(20, (16, 16)),
        **_films(20, (66, 1200)),
        "nothing": b"",
        "a page": b"<html>",
    }
    for name, data in good.items():
        torn = np.frombuffer(data, np.uint8).copy()
        torn[noise.integers(len(data) // 10, len(data), 30)] ^= 255
        odd_media[f"{name} torn"] = torn.tobytes()
    check.ways.clear()
    wrong, differs, refused = [], [], 0
    for name, data in odd_media.items():
        kind = "image" if name.partition(" ")[0].endswith((".jpg", ".png", ".webp")) else "video"
        plan = ClipPlan((0, 7) if kind == "video" else (0,), (64, 80), (0, 0, 64, 80))
        results: list[Any] = []
        for decode in (check.decode, cpu):
            try:
                results.append(decode(data, kind, plan))
            except MediaError as error:
                results.append(str(error))
                refused += 1
            except Exception as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
                results.append("")
        ours, theirs = results
        if isinstance(ours, str) != isinstance(theirs, str):
            # Damage inside packets, which NVDEC hides; the checksums of the index are there for it.
            (differs if "torn" in name or "cut" in name else wrong).append(f"{name}: {_short(ours)} | {_short(theirs)}")
        elif not isinstance(ours, str) and not check.is_there(ours):
            wrong.append(f"{name}: its frames are not where the others are")
    check.alive()
    return {"media": len(odd_media), "ways": dict(check.ways), "damage seen by one only": differs, "wrong": wrong}


def _short(result: Any) -> str:
    return result[:80] if isinstance(result, str) else "frames"
