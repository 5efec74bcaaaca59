"""Everything that needs a GPU, in one go: does DALI decode there what the CPU decoder decodes, and how fast?

    make gpu-check                                        or, on a machine without this project's environment:
    PYTHONPATH=. python3 benchmarks/gpu_check.py [--out FOLDER] [--minutes 8]
    PYTHONPATH=. python benchmarks/gpu_check.py --without-gpu     a rehearsal on DALI's CPU operators

Needs torch, numpy and the wheels that gpu_wheels.py packs, no network and no pytest (docs/gpu.md says how to carry
them). First of all it says whether the driver has a video decoder (libnvcuvid). Then, each told as it
ends:

parity       the samples, CPU decoder against GPU, every codec within the tolerances of tests/shards/decode/twins.py
numbers      the frames that were asked for, in streams with B-frames, open GOPs, hidden frames, short GOPs
odd          what a GPU must not be given, and cut, torn and lying files: the CPU decoder's frames or its error, on the
             GPU, counted by reason; and that the GPU still works afterwards
threads      seven threads give what one gives, 40 times each
quarantine   a loader with bad samples: accounting holds, the batches are tensors on the GPU, a resume is exact
memory       200 batches leave no memory behind
speed        benchmarks/bench_gpu.py, one round, short

Writes FOLDER/gpu_check.json and prints a table; the exit code is 0 if everything is right, else 1, and 2 without a GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bench_gpu
import numpy as np

from shards import Loader, LoaderConfig
from shards.base.errors import MediaError
from shards.decode.cpu import decode as cpu
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from tests.shards.decode.twins import MEDIA, TOLERANCE, compare, difference, is_video, on_cpu, wrong_numbers
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, shoot

ROOT = Path(__file__).resolve().parents[1]
Found = dict[str, Any]


class Wrong(AssertionError):
    """A check that failed; the text says what."""


class Check:
    """What all parts share."""

    def __init__(self, gpu: bool) -> None:
        from shards.decode.dali import Dali

        self.gpu = gpu
        self.ways: Counter[str] = Counter()
        self.decode = Dali(0 if gpu else None, lambda way: self.ways.update([way]))

    def is_there(self, frames: Any) -> bool:
        """Whether frames are where this decoder puts all frames."""
        return where(frames) == ("cuda:0" if self.gpu else "numpy")

    def alive(self) -> None:
        data, plan = bench_gpu.clips(False, self.gpu)[0]
        before = self.ways["dali"]
        apart = difference(self.decode(data, "video", plan), cpu(data, "video", plan))
        if apart.mean > 4 or self.ways["dali"] == before:
            raise Wrong(f"a good clip is not decoded any more: {apart}")


def where(frames: Any) -> str:
    return "numpy" if isinstance(frames, np.ndarray) else str(frames.device)


def machine(gpu: bool) -> Found:
    """Facts, and first of all whether there is a video decoder."""
    import nvidia.dali
    import torch

    found: Found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "dali": nvidia.dali.__version__,
    }
    try:
        ctypes.CDLL("libnvcuvid.so.1")
        found["libnvcuvid"] = True
    except OSError as error:
        found["libnvcuvid"] = False
        print(
            f"MISSING: libnvcuvid.so.1 ({error}). This driver installation has no NVDEC (in a container: "
            "NVIDIA_DRIVER_CAPABILITIES must hold `video`); every video will be decoded on the CPU, nvJPEG still works."
        )
    if gpu:
        found["device"] = torch.cuda.get_device_name(0)
        found["driver"] = _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return found


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({type(error).__name__})"


def parity(check: Check) -> Found:
    worst: dict[str, list[float]] = {}
    wrong, on_gpu = [], Counter[str]()
    for path in MEDIA:
        before = check.ways["dali"]
        try:
            codec, apart = compare(path, check.decode, cpu)
        except Exception as error:
            wrong.append(f"{path.name}: {type(error).__name__}: {error}")
            continue
        if check.ways["dali"] == before:
            continue
        on_gpu[codec] += 1
        mean, p99 = max(one.mean for one in apart), max(one.p99 for one in apart)
        worst[codec] = [round(max(pair), 2) for pair in zip(worst.get(codec, [0, 0]), (mean, p99), strict=True)]
        wrong += [f"{path.name} ({codec}): {one}, allowed {TOLERANCE[codec]}" for one in apart if not one.within(codec)]
        if is_video(path):
            numbers = wrong_numbers(path, check.decode, cpu)
            wrong += [f"{path.name} ({codec}): asked for frame {asked}, shown {shown}" for asked, shown in numbers]
    return {"worst mean and p99 by codec": worst, "media by codec": dict(on_gpu), "wrong": wrong}


def numbers(check: Check) -> Found:
    """Films of moving noise: every frame is unlike all others."""
    wrong, on_gpu = [], []
    for name, film in (SEEKABLE | OTHERS).items():
        data = shoot(film, NUM_FRAMES, (144, 176))
        rng, before = np.random.default_rng(0), check.ways["dali"]
        every = on_cpu(cpu(data, "video", _native(*range(NUM_FRAMES))))
        for _ in range(6):
            asked = tuple(rng.integers(0, NUM_FRAMES - 20, 5).tolist())  # the last ones hardly differ
            clip = on_cpu(check.decode(data, "video", _native(*asked)))
            shown = tuple(int(np.abs(every - frame).mean(axis=(1, 2, 3)).argmin()) for frame in clip)
            if shown != asked:
                wrong.append(f"{name}: asked for {asked}, shown {shown}")
        if check.ways["dali"] > before:
            on_gpu.append(name)
    return {"decoded by DALI": on_gpu, "wrong": wrong}


def _native(*frames: int) -> ClipPlan:
    return ClipPlan(frames, (144, 176), (0, 0, 144, 176))


def _films(num_frames: int, size: tuple[int, int]) -> dict[str, bytes]:
    """Those that their encoders make in this size."""
    from av import FFmpegError

    films = {}
    for name, film in SEEKABLE.items():
        try:
            films[f"{name} {size[1]}x{size[0]}"] = shoot(film, num_frames, size)
        except FFmpegError:
            continue
    return films


def odd(check: Check) -> Found:
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


def threads(check: Check) -> Found:
    media = bench_gpu.clips(False, check.gpu)
    alone = [on_cpu(check.decode(data, "video", plan)) for data, plan in media]

    def work(number: int) -> int:
        wrong = 0
        for turn in range(40):
            place = (number + turn) % len(media)
            data, plan = media[place]
            wrong += not np.array_equal(on_cpu(check.decode(data, "video", plan)), alone[place])
        return wrong

    with ThreadPoolExecutor(7) as pool:
        wrong = sum(pool.map(work, range(7)))
    return {"clips": 7 * 40, "wrong": [f"{wrong} clips differ from those of one thread"] if wrong else []}


def _encode(sample: Any, rng: Any) -> EncodedClip:
    frames = (0, 7) if sample.facts.kind == "video" else (0, 0)
    flip = bool(rng("flip").random() < 0.5)
    return EncodedClip(sample.media, sample.facts.kind, ClipPlan(frames, (64, 80), (0, 8, 64, 64), flip), {}, {})


def _loader(folder: Path, **more: Any) -> Loader:
    blend = [{"name": "check", "path": str(folder)}]
    settings = {"blend": blend, "batch_size": 8, "decode": "dali", "threads": 4, "streams": 1, "max_failure_rate": None}
    return Loader(LoaderConfig.model_validate(settings | more), 0, 1, _encode)


def _write(folder: Path, bad: int) -> None:
    """64 samples of all kinds, every `bad`-th of them no medium."""
    from shards import DatasetWriter

    media = [path for path in MEDIA if path.suffix in (".mp4", ".webm", ".jpg", ".avi")]
    with DatasetWriter(folder, "check", samples_per_shard=16) as writer:
        for number in range(64):
            path = media[number % len(media)]
            data = path.read_bytes()
            facts = probe(data, path.name)
            if bad and number % bad == 0:
                data = b"not a medium"
            writer.write(f"{number:03d}", data, path.suffix[1:], [{"caption": "x"}], {}, facts)


def quarantine(check: Check) -> Found:
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), 13)
        with _loader(Path(name), mode="eval", threads=4) as loader:
            batches = list(loader)
            snapshot = loader.stats.snapshot()
        bad = sum(int((~batch.valid).sum()) for batch in batches)
        if bad != 5 or snapshot.accounting.failed != 5:
            wrong.append(f"5 samples are no media, {bad} slots are masked, {snapshot.accounting.failed} counted")
        wrong += [f"a batch is on {where(batch.frames)}" for batch in batches if not check.is_there(batch.frames)][:1]
        with _loader(Path(name)) as loader:
            for _ in range(5):
                next(loader)
            state = loader.state_dict()
            rest = [on_cpu(next(loader).frames) for _ in range(4)]
        with _loader(Path(name), threads=1) as loader:
            loader.load_state_dict(state)
            for batch in rest:
                if not np.array_equal(on_cpu(next(loader).frames), batch):
                    wrong.append("a resumed loader gives other frames")
                    break
    return {"decoder": state["decoder"], "ways": snapshot.decoded, "wrong": wrong}


def memory(check: Check) -> Found:
    used = []
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), 0)
        with _loader(Path(name), threads=7) as loader:
            for number in range(200):
                next(loader)
                if number in (49, 99, 149, 199):
                    used.append(round(_used(check.gpu)))
            queue = loader.stats.snapshot().queue
    grown = used[-1] - used[0]
    limit = 200
    return {
        "MiB after 50, 100, 150, 200 batches": used,
        "last queue MiB": round(queue.last_bytes / 2**20, 2),
        "wrong": [f"memory grew by {grown} MiB over 150 batches, allowed {limit}"] if grown > limit else [],
    }


def _used(gpu: bool) -> float:
    """MiB: of the device, or of this process."""
    if gpu:
        import torch

        free, total = torch.cuda.mem_get_info()
        return (total - free) / 2**20
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def speed(check: Check, seconds: float) -> Found:
    result = bench_gpu.measure(seconds, 1, check.gpu, (1, 2, 3, 4, 5, 6, 7) if check.gpu else (1,))
    failed = [f"{label}: {why}" for label, why in result["missing"].items() if why.startswith("failed")]
    return {**result, "wrong": failed}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("runs/gpu-check"), help="folder for gpu_check.json")
    options.add_argument("--minutes", type=float, default=7.5, help="that all of it may take")
    options.add_argument("--without-gpu", action="store_true", help="a rehearsal on DALI's CPU operators")
    chosen = options.parse_args()
    import torch

    gpu = not chosen.without_gpu
    if gpu and not torch.cuda.is_available():
        print("gpu_check: torch sees no CUDA device; nothing was checked (--without-gpu rehearses on the CPU)")
        sys.exit(2)
    started = time.perf_counter()
    report: Found = {"gpu": gpu, "machine": machine(gpu), "parts": {}}
    print(json.dumps(report["machine"]), flush=True)
    check = Check(gpu)
    left = lambda: 60 * chosen.minutes - (time.perf_counter() - started)  # noqa: E731
    parts: dict[str, Callable[[], Found]] = {
        **{
            part.__name__: (lambda part=part: part(check))
            for part in (parity, numbers, odd, threads, quarantine, memory)
        },
        "speed": lambda: speed(check, max(1.0, min(8.0, left() / len(bench_gpu.cases_of(1, gpu)) - 9))),
    }
    for name, part in parts.items():
        begun = time.perf_counter()
        try:
            found = part()
        except Exception as error:
            traceback.print_exc()
            found = {"wrong": [f"{type(error).__name__}: {error}"]}
        found["seconds"] = round(time.perf_counter() - begun, 1)
        report["parts"][name] = found
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n")
        wrong = found["wrong"]
        print(f"{name:12} {'WRONG' if wrong else 'right':6} {found['seconds']:7.1f} s", flush=True)
        for line in wrong[:10]:
            print(f"             {line}")
        for label, value in found.items():
            if label not in ("wrong", "seconds", "cases", "machine", "load", "ratios"):
                print(f"             {label}: {json.dumps(value)[:400]}")
    total = time.perf_counter() - started
    any_wrong = any(found["wrong"] for found in report["parts"].values())
    print(f"{'WRONG' if any_wrong else 'right'}: all in {total:.0f} s; {chosen.out / 'gpu_check.json'}")
    sys.exit(1 if any_wrong else 0)


if __name__ == "__main__":
    main()
