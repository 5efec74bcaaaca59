"""How fast does a GPU decode, with 1 to 7 pipelines, beside torchcodec and the CPU, and does the loader keep it fed?

    PYTHONPATH=. python benchmarks/bench_gpu.py [--rounds 3] [--seconds 10] [--json FILE]
    PYTHONPATH=. python benchmarks/bench_gpu.py --without-gpu      the same code on DALI's CPU operators: proves nothing
                                                                   about a GPU, only that this program runs

nvdec N      N threads decode 4 of the frames of each clip (H.264, 640x360 and smaller, as in samples/) at 224x224
short N      the same of short side 256 with a key frame every 15 frames, made from them
jpeg N       N threads decode pictures with nvJPEG
torchcodec   CUDA decoding of the same clips and frames, scaled by torch, one thread each; where it is installed
cpu N        the CPU decoder on the same clips
loader       the whole loader (batch 64, 4 frames, 7 threads) feeding steps of bf16 matrix products, as many operations
             as a step of MCG-base: data_wait is the share of the time that the step stood still for data, overlap the
             share of decoding that was hidden behind steps

dec_util, gpu_util: mean of what nvidia-smi said 5 times a second, %. gpu_mib: memory of the device in use; torch_mib:
what of it torch holds; the rest is CUDA, NVDEC surfaces and DALI's pool, which cannot be asked for its size.
"""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness import arguments, ask, beside, run_case, save_json

from shards.decode.decoder import Decoder
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CLIPS = ("bbb_tree.mp4", "city_night2.mp4", "sintel_dragons.mp4", "sintel_snow.mp4", "tree_window.mp4", "coin_pen.mov")
CLIPS_WITHOUT_GPU = ("bbb_burrow.webm", "bbb_grass.webm", "sintel_oldman.webm")
NUM_FRAMES, SIZE = 4, 224
STEP_TFLOP = 35.0
"""Operations of a step of MCG-base at batch 64 with 4 frames, roughly: ViT-B/16 takes 35 GFLOP a frame, time attention
and text a third as much again; a training step is three times the forward pass."""
_SIDE = 8192
BATCH = 64


# ---------------------------------------------------------------- what is decoded


def clips(short: bool, gpu: bool) -> list[tuple[bytes, ClipPlan]]:
    """(bytes, plan) of each clip; plans take frames from the whole length."""
    names = CLIPS if gpu else CLIPS_WITHOUT_GPU
    found = []
    for name in names:
        data = (SAMPLES / "videos" / name).read_bytes()
        if short:
            data = shorten(data, "libx264" if gpu else "libvpx")
        have = probe(data, "x.mkv" if short else name).num_frames
        frames = tuple((2 * i + 1) * have // (2 * NUM_FRAMES) for i in range(NUM_FRAMES))
        found.append((data, ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE))))
    return found


def pictures() -> list[tuple[bytes, ClipPlan]]:
    plan = ClipPlan((0,) * NUM_FRAMES, (256, 342), (16, 59, SIZE, SIZE))
    return [(path.read_bytes(), plan) for path in sorted((SAMPLES / "images").glob("*.jpg"))]


def shorten(data: bytes, codec: str) -> bytes:
    """Short side 256, a key frame every 15 frames, no B-frames, at most 150 frames."""
    import av

    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format="matroska") as target:
        stream: Any = None
        for frame in itertools.islice(source.decode(video=0), 150):
            if stream is None:
                scale = 256 / min(frame.width, frame.height)
                stream = target.add_stream(codec, rate=25)
                stream.width, stream.height = (2 * round(scale * side / 2) for side in (frame.width, frame.height))
                stream.pix_fmt = "yuv420p"
                fast = {"preset": "veryfast"} if codec == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
                stream.options = {"g": "15", "bf": "0"} | fast
            frame = frame.reformat(stream.width, stream.height, "yuv420p")
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


# ---------------------------------------------------------------- measuring


class Watch:
    """What nvidia-smi says while something runs."""

    _ASK = "utilization.decoder,utilization.gpu,memory.used"

    def __enter__(self) -> Watch:
        command = ["nvidia-smi", f"--query-gpu={self._ASK}", "--format=csv,noheader,nounits", "-lms", "200"]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError:
            self._process = None
        return self

    def __exit__(self, *_: object) -> None:
        self.found: dict[str, float] = {}
        if self._process is None:
            return
        self._process.terminate()
        rows = [line.split(", ") for line in self._process.communicate()[0].splitlines()]
        for place, name in enumerate(("dec_util", "gpu_util", "gpu_mib")):
            values = [float(row[place]) for row in rows if len(row) == 3 and row[place].strip().isdigit()]
            if values:
                self.found[name] = max(values) if name == "gpu_mib" else sum(values) / len(values)


def _decode_for(seconds: float, threads: int, decode: Callable[[bytes, ClipPlan], Any], media: Any) -> dict[str, float]:
    """Decode in threads for so long, after each has done every medium once."""
    stop, started = threading.Event(), threading.Barrier(threads + 1)

    def work(number: int) -> int:
        turns = itertools.islice(itertools.cycle(media), number, None)
        for data, plan in itertools.islice(turns, len(media)):
            decode(data, plan)
        started.wait()
        done = 0
        while not stop.is_set():
            data, plan = next(turns)
            decode(data, plan)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(work, number) for number in range(threads)]
        started.wait()
        with Watch() as watch:
            wall, cpu = time.perf_counter(), time.process_time()
            time.sleep(seconds)
            stop.set()
            done = sum(future.result() for future in working)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"clips_per_s": done / wall, "cpu_s_per_clip": cpu / max(done, 1), **watch.found}


def _memory() -> dict[str, float]:
    import torch

    if not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"gpu_mib": (total - free) / 2**20, "torch_mib": torch.cuda.memory_reserved() / 2**20}


def _dali(gpu: bool, ways: Counter[str]) -> Decoder:
    from shards.decode.dali import Dali

    if gpu:
        import torch

        torch.cuda.init()
    return Dali(0 if gpu else None, lambda way: ways.update([way]))


def nvdec(threads: str, seconds: str, gpu: str, what: str = "clips") -> dict[str, float]:
    ways: Counter[str] = Counter()
    decode, on_gpu = _dali(gpu == "gpu", ways), gpu == "gpu"
    media = pictures() if what == "pictures" else clips(what == "short", on_gpu)
    kind = "image" if what == "pictures" else "video"
    found = _decode_for(float(seconds), int(threads), lambda data, plan: decode(data, kind, plan), media)
    return {**found, **_memory(), "on_cpu_share": 1 - ways["dali"] / ways.total()}


def cpu(threads: str, seconds: str, gpu: str) -> dict[str, float]:
    from shards.decode.cpu import decode

    media = clips(False, gpu == "gpu")
    return _decode_for(float(seconds), int(threads), lambda data, plan: decode(data, "video", plan), media)


def torchcodec(threads: str, seconds: str, gpu: str) -> dict[str, float] | dict[str, str]:
    try:
        from torchcodec.decoders import VideoDecoder
    except Exception as error:  # it loads libraries when it is imported, and raises whatever they do
        return {"unsupported": f"torchcodec is not here: {type(error).__name__}: {str(error)[:100]}"}
    from torch.nn.functional import interpolate

    device = "cuda" if gpu == "gpu" else "cpu"

    def decode(data: bytes, plan: ClipPlan) -> Any:
        frames = VideoDecoder(data, device=device, seek_mode="approximate").get_frames_at(list(plan.frames)).data
        scaled = interpolate(frames.float(), plan.resize, mode="bicubic", antialias=True)
        top, left, height, width = plan.crop
        return scaled[..., top : top + height, left : left + width].round().clamp(0, 255).byte().cpu()[0, 0, 0, 0]

    return _decode_for(float(seconds), int(threads), decode, clips(False, gpu == "gpu"))


# ---------------------------------------------------------------- the loader and a step


@contextmanager
def _dataset(gpu: bool) -> Iterator[Path]:
    """The clips, each many times over, as shards."""
    from shards import DatasetWriter

    with tempfile.TemporaryDirectory() as folder:
        media = [(data, plan, probe(data, "x.mkv")) for data, plan in clips(False, gpu)]
        with DatasetWriter(folder, "clips", samples_per_shard=32) as writer:
            for number in range(128):
                data, _, facts = media[number % len(media)]
                writer.write(f"{number:05d}", data, "mkv", [{"caption": "a clip"}], {}, facts)
        yield Path(folder)


def _step(gpu: bool, tflop: float) -> Callable[[], None]:
    """A training step: matrix products, on what the batch is on, done when it returns."""
    import torch

    side, device = (_SIDE, "cuda") if gpu else (256, "cpu")
    left = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    right = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    count = max(1, round(tflop * 1e12 / (2 * side**3))) if gpu else 1

    def step() -> None:
        for _ in range(count):
            torch.mm(left, right)
        if gpu:
            torch.cuda.synchronize()

    return step


def loader(decode: str, threads: str, seconds: str, gpu: str) -> dict[str, float]:
    from shards import Loader, LoaderConfig

    on_gpu = gpu == "gpu"

    def encode(sample: Any, rng: Any) -> EncodedClip:
        have = sample.facts.num_frames
        frames = tuple(sorted(rng("frames").choice(have, NUM_FRAMES, replace=False).tolist()))
        return EncodedClip(sample.media, "video", ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE)), {}, {})

    with _dataset(on_gpu) as folder:
        settings = {
            "blend": [{"name": "clips", "path": str(folder)}],
            "batch_size": BATCH if on_gpu else 8,
            "decode": decode,
            "threads": int(threads),
            "streams": 1,
        }
        with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as loader:
            step = _step(on_gpu, STEP_TFLOP)
            for _ in range(2):
                next(loader)
                step()
            before, cpu, steps, step_s = loader.stats.snapshot(), time.process_time(), 0, 0.0
            with Watch() as watch:
                end = time.perf_counter() + float(seconds)
                while time.perf_counter() < end:
                    next(loader)
                    started = time.perf_counter()
                    step()
                    step_s += time.perf_counter() - started
                    steps += 1
            spent, cpu = loader.stats.snapshot() - before, time.process_time() - cpu
            decoding = spent.seconds["decode"] / int(threads)
            return {
                "clips_per_s": steps * settings["batch_size"] / spent.elapsed,
                "cpu_s_per_clip": cpu / (steps * settings["batch_size"]),
                "step_ms": 1000 * step_s / steps,
                "data_wait": spent.wait_share,
                "overlap": max(0.0, 1 - spent.wait_seconds / decoding) if decoding else 1.0,
                "queue_mib": spent.queue.last_bytes / 2**20,
                **watch.found,
                **_memory(),
                "on_cpu_share": 1 - spent.decoded.get("dali", 0) / max(1, sum(spent.decoded.values())),
            }


CASES = {"nvdec": nvdec, "cpu": cpu, "torchcodec": torchcodec, "loader": loader}
SHOWN = (
    "clips_per_s",
    "cpu_s_per_clip",
    "dec_util",
    "gpu_util",
    "step_ms",
    "data_wait",
    "overlap",
    "gpu_mib",
    "torch_mib",
)


def cases_of(seconds: float, gpu: bool, pipelines: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)) -> dict[str, list[str]]:
    """label -> [case, argument, ...]"""
    rest = [str(seconds), "gpu" if gpu else "cpu"]
    most = str(max(pipelines))
    return {
        **{f"nvdec {n}": ["nvdec", str(n), *rest] for n in pipelines},
        **{f"short {n}": ["nvdec", str(n), *rest, "short"] for n in (pipelines[0], pipelines[-1])},
        **{f"jpeg {n}": ["nvdec", str(n), *rest, "pictures"] for n in (pipelines[0], pipelines[-1])},
        f"torchcodec {most}": ["torchcodec", most, *rest],
        f"cpu {most}": ["cpu", most, *rest],
        "loader, dali": ["loader", "dali", most, *rest],
        "loader, cpu": ["loader", "cpu", most, *rest],
    }


def measure(
    seconds: float, rounds: int, gpu: bool, pipelines: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
) -> dict[str, Any]:
    """All cases, each in fresh processes; tells a table and a JSON line."""
    command = [sys.executable, __file__, "--case"]
    questions = {
        label: partial(ask, [*command, *words], 60 + 4 * seconds)
        for label, words in cases_of(seconds, gpu, pipelines).items()
    }
    return beside("gpu" if gpu else "gpu, on the CPU: proves nothing about a GPU", questions, rounds, shown=SHOWN)


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-gpu")
    options.add_argument("--seconds", type=float, default=10, help="that each case is measured")
    options.add_argument("--without-gpu", action="store_true", help="on DALI's CPU operators")
    options.add_argument("--case", nargs="+", help="one case in this process")
    chosen = options.parse_args()
    if chosen.case:
        return run_case(CASES, chosen.case)  # type: ignore[arg-type]
    import torch

    if not chosen.without_gpu and not torch.cuda.is_available():
        sys.exit("bench_gpu: torch sees no CUDA device, so nothing is measured (--without-gpu runs the code only)")
    pipelines = (1, 2) if chosen.without_gpu else (1, 2, 3, 4, 5, 6, 7)
    save_json(chosen.json, measure(chosen.seconds, chosen.rounds, not chosen.without_gpu, pipelines))
    return None


if __name__ == "__main__":
    main()
