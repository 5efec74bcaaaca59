"""How many bytes and how much decoding do four frames of a 60 s video take, in parts against whole?

    python benchmarks/partial_fetch.py

Videos of 60 s with sound, 640x360, 25 fps, a key frame every 60 frames: pictures of samples/images that the camera
pans over. In a tar with an index, in a store on loopback (store.py) with 50 ms before the first byte and 50 MB/s a
connection, and in a local folder. Four frames, in the middles of equal parts, are read and decoded, one clip after the
other on one core. `fetched` is the share of the medium's bytes, `requests` of a clip those that
the store saw, HEADs and the index left out. The frames are compared: every case of a format must give the same ones.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from harness import compare, run_case, timed

ROOT = Path(__file__).resolve().parents[1]
SECONDS, FPS, GOP, SIZE = 60, 25, 60, (360, 640)
X264 = {"preset": "veryfast", "crf": "19", "g": str(GOP), "keyint_min": str(GOP), "sc_threshold": "0"}
FORMS = {
    "mp4": ("mp4", "libx264", X264, {}, "aac"),
    "mp4 faststart": ("mp4", "libx264", X264, {"movflags": "faststart"}, "aac"),
    "mkv": ("mkv", "libx264", X264, {}, "aac"),
    "webm": (
        "webm",
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "8", "b": "700k", "g": str(GOP)},
        {},
        "libopus",
    ),
}
NUM_CLIPS = 4


def clip(folder: str, form: str, how: str) -> dict[str, float]:
    """The clips of one dataset. how: "whole" or "parts"; what folder it is says how far away."""
    from shards import ClipConfig, plan_clip
    from shards.decode.cpu import decode
    from shards.read.reader import Reader
    from shards.storage.addresses import is_remote

    reader = Reader("videos", f"{folder}/{form.replace(' ', '-')}", partial_bytes=1 << 20 if how == "parts" else None)
    config = ClipConfig(num_frames=4, size=224)
    draw = np.random.default_rng(0)
    reader.read(0, NUM_CLIPS, draw)  # a picture: imports, connections and the index are not what is measured
    requests = reader.source.traffic.snapshot()["range"] if is_remote(folder) else 0
    numbers: dict[str, float] = {}
    digest = size = 0
    with timed(numbers, "all"):
        for number in range(NUM_CLIPS):
            sample = reader.read(0, number, draw)
            frames = decode(sample.media, "video", plan_clip(sample.facts, config, np.random.default_rng(number)))
            digest = digest * 31 + int(frames.astype(np.int64).sum()) & 0xFFFFFFFF
            size += len(sample.media)
    fetched = reader.partial.counts.snapshot() if reader.partial is not None and is_remote(folder) else {}
    result = {
        "megabytes": size / NUM_CLIPS / 1e6,
        "fetched": fetched["fetched_bytes"] / fetched["bytes"] if fetched else 1.0,
        "s_per_clip": numbers["all_s"] / NUM_CLIPS,
        "cpu_s_per_clip": numbers["all_cpu_s"] / NUM_CLIPS,
        "frames": digest,
    }
    if is_remote(folder):
        result["requests"] = (reader.source.traffic.snapshot()["range"] - requests) / NUM_CLIPS
    return result


def make(folder: Path) -> None:
    """A dataset for each form."""
    from PIL import Image

    from shards.dataset.indexing.indexer import index_tars
    from shards.dataset.tars.looks import Looks

    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "png")
    for form in FORMS:
        place = folder / form.replace(" ", "-")
        place.mkdir(parents=True)
        ext, video = FORMS[form][0], shoot(form)
        files = [(f"{number}.{ext}", video) for number in range(NUM_CLIPS)] + [("p.png", picture.getvalue())]
        with tarfile.open(place / "000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in files:
                for member, content in ((name, data), (f"{name.split('.')[0]}.txt", b"a caption")):
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        index_tars(str(place), looks=Looks(media=True))


def shoot(form: str) -> bytes:
    """A video file: pictures that change every 7 s, and noise for sound."""
    import av
    from PIL import Image

    ext, codec, options, container_options, sound = FORMS[form]
    height, width = SIZE
    rng = np.random.default_rng(0)
    paths = sorted((ROOT / "samples" / "images").glob("*.jpg"))
    scenes = [np.asarray(Image.open(path).convert("RGB").resize((width * 2, height * 2))) for path in paths[:9]]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"x.{ext}")
        with av.open(path, "w", options=container_options) as container:
            stream = container.add_stream(codec, rate=FPS, options=options)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            audio = container.add_stream(sound, rate=48000, layout="mono")
            audio.bit_rate = 64000
            for number in range(SECONDS * FPS):
                scene = scenes[number // (7 * FPS) % len(scenes)]
                down, right = int(height / 2 * (1 + np.sin(number / 90))), int(width / 2 * (1 + np.cos(number / 70)))
                frame = av.VideoFrame.from_ndarray(scene[down:, right:][:height, :width].copy(), format="rgb24")
                container.mux(stream.encode(frame))
                noise = (rng.standard_normal((1, 48000 // FPS)) * 0.1).astype(np.float32)
                samples = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
                samples.sample_rate, samples.pts = 48000, number * (48000 // FPS)
                container.mux(audio.encode(samples))
            container.mux(stream.encode(None))
            container.mux(audio.encode(None))
        return Path(path).read_bytes()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"clip": clip}, sys.argv[2:])
    else:
        from store import serve

        with tempfile.TemporaryDirectory() as folder, serve(Path(folder), latency_s=0.05, bytes_per_s=50e6) as store:
            make(Path(folder, "bucket"))
            os.environ.update(store.env)
            places = {"far": "s3://bucket", "local": f"{folder}/bucket"}
            cases = {
                f"{form}, {where}, {how}": ["clip", place, form, how]
                for form in FORMS
                for where, place in places.items()
                for how in ("whole", "parts")
            }
            told = compare("partial fetch", __file__, cases, repeats=3)["cases"]
            for form in FORMS:
                same = {told[case]["frames"]["median"] for case in cases if case.startswith(f"{form}, ")}
                assert len(same) == 1, f"{form}: the cases give different frames"
