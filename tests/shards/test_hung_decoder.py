"""Clips that hang in the decoder: the run goes on with what it would show if they were bad, and so does a resumed one;
too many of them stop it by name; neither late frames, stopped processes nor slow stores change anything."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from shards.base.errors import TooManyStuck
from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.cpu_slots import CpuSlots
from shards.decode.decoder import Backend, Decoder, Frames
from shards.loader.config import DatasetConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import Batch
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.media.spans import Span
from shards.read.sample import Sample
from shards.select.exclusion import read_exclusions
from tests.shards.far_folder import WAIT, until
from tests.shards.hanging import LIMIT, Hanging, refusing, use
from tests.shards.small_dataset import config, encode, picture, seen, write_dataset

REASON = f"decoding took longer than {LIMIT:g} s"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 samples of one record."""
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 24, records_of=(1,))


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hanging]]:
    """hanging(5, 7) -> a decoder that hangs at these grays; all loaders decode with it, until the test is over."""
    made: list[Hanging] = []

    def make(*grays: int) -> Hanging:
        made.append(Hanging(grays))
        use(monkeypatch, made[-1])
        return made[-1]

    yield make
    for decoder in made:
        decoder.release.set()
        for thread in decoder.threads:
            thread.join(WAIT)
            assert not thread.is_alive()


def open_loader(folder: Path | str, rank: int = 0, world_size: int = 1, **fields: Any) -> Loader:
    """All elements in one window, so that what hangs has good neighbours."""
    settings: dict[str, Any] = {"streams": 1, "window": 40, "batch_size": 4, "prefetch_batches": 0, "decode": "cpu"}
    settings |= {"decode_seconds": LIMIT, "max_failure_rate": None}
    ledger = fields.pop("ledger", None)
    return Loader(config(("web", folder), **settings | fields), rank, world_size, encode, ledger)


def told(batch: Batch) -> tuple[Any, ...]:
    """All that a batch shows, but the reasons of failures."""
    failed = [[(f.origin, f.row, f.stage, f.lasting) for f in failures] for failures in batch.slot_failures]
    arrays = {name: array.tolist() for name, array in batch.arrays.items()}
    return np.asarray(batch.frames).tobytes(), arrays, batch.meta, batch.origins, batch.valid.tolist(), failed


def take(loader: Loader, count: int) -> list[tuple[Any, ...]]:
    return [told(batch) for batch in islice(iter(loader), count)]


@pytest.mark.parametrize("fields", [{"threads": 1}, {"threads": 4, "prefetch_batches": 3}], ids=["alone", "ahead"])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_what_hangs_is_replaced_as_if_it_were_bad(
    web: Path,
    hanging: Callable[..., Hanging],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    mode: str,
    fields: dict[str, Any],
) -> None:
    """The batches are those of a decoder that refuses these clips, before and after."""
    use(monkeypatch, refusing({5, 17}))
    with open_loader(web, mode=mode) as loader:
        expected = take(loader, 6)
    decoder, ledger = hanging(5, 17), tmp_path / "ledger.jsonl"
    with open_loader(web, mode=mode, ledger=ledger, **fields) as loader:
        assert take(loader, 6) == expected
        snapshot, counts = loader.stats.snapshot(), loader.stats.accounting
        names = loader.quarantined()
    assert sorted(decoder.entered) == [5, 17] and (snapshot.given_up, snapshot.replaced_threads) == (2, 2)
    assert (counts.failed, counts.substituted) == (2, 2 if mode == "train" else 0) and names == {"web": {"decode": 2}}
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert {(entry["key"], entry["reason"], entry["timed_out"], entry["lasting"]) for entry in entries} == {
        ("0005", REASON, True, False),
        ("0017", REASON, True, False),
    }
    assert len(read_exclusions([str(ledger)], {"web"})) == 0
    warnings = [message for message in caplog.messages if "its thread, which cannot be stopped" in message]
    assert len(warnings) == 2 and all("web/00000" in message and REASON in message for message in warnings)


def use_one_slot(patch: pytest.MonkeyPatch, decoder: Decoder, waiting: int) -> None:
    """Have loaders decode in so many threads, of which one may use the CPU at a time."""
    slots = CpuSlots(1)

    def decode_in_slot(media: Media, kind: str, plan: ClipPlan) -> Frames:
        with slots.use():
            return decoder(media, kind, plan)

    patch.setitem(BACKENDS, "cpu", lambda *_: Backend("cpu", decode_in_slot, waiting=waiting, cpu=slots))


def test_clips_that_wait_for_the_cpu_are_not_given_up(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for longer than a clip may take."""

    def slow(media: Media, kind: str, plan: ClipPlan) -> Frames:
        time.sleep(LIMIT / 2)
        return decode(media, kind, plan)

    use_one_slot(monkeypatch, slow, 8)
    with open_loader(web, threads=1, batch_size=8, prefetch_batches=1) as loader:
        take(loader, 2)
        assert loader.stats.snapshot().given_up == 0


def test_what_hangs_with_the_slot_of_the_cpu_has_it_no_more(
    web: Path, hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, refusing({5, 17}))
    with open_loader(web) as loader:
        expected = take(loader, 6)
    use_one_slot(monkeypatch, hanging(5, 17), 3)
    with open_loader(web, threads=1, prefetch_batches=2) as loader:
        assert take(loader, 6) == expected and loader.stats.snapshot().given_up == 2


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_questions_about_a_video_that_hangs_cost_one_thread(
    hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    """They want the same clip: it is given up for all of them, also where a cursor lies between them."""

    def ask(sample: Sample, rng: RngFactory) -> EncodedClip:
        return encode(sample, lambda purpose: np.random.default_rng(0))

    folder = write_dataset(tmp_path / "qa", "web", 12, records_of=(4,))
    fields: dict[str, Any] = {"streams": 1, "window": 48, "mode": mode, "decode": "cpu", "prefetch_batches": 1}
    settings = config(("web", folder), batch_size=48, decode_seconds=LIMIT, max_failure_rate=None, **fields)
    use(monkeypatch, refusing({1}))
    with Loader(settings, 0, 1, ask) as loader:
        expected = told(next(loader))
    decoder = hanging(1)
    with Loader(settings, 0, 1, ask) as loader:
        assert told(next(loader)) == expected
        snapshot = loader.stats.snapshot()
    failed = sum(len(failures) for failures in expected[-1])
    assert snapshot.given_up == failed >= 4
    # A substitute may be one of the questions about it, and is tried by itself.
    assert snapshot.replaced_threads == len(decoder.entered) == 1 + failed - 4


def settled(loader: Loader, ahead: int) -> None:
    """Wait until all that is made ahead is there."""
    until(lambda: loader.num_ready == ahead)


@pytest.mark.parametrize("unit", ["step", "sample"])
def test_a_resumed_run_shows_the_same_although_nothing_hangs_any_more(
    web: Path, tmp_path: Path, hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    """From every cursor, in one rank or two, in other batches: what was given up ahead stays so, and leaves no trace
    once it is behind."""
    other = write_dataset(tmp_path / "other", "other", 5, records_of=(1,))
    blend = tuple(DatasetConfig(name=name, path=str(path)) for name, path in (("web", web), ("other", other)))
    fields: dict[str, Any] = {"blend": blend, "unit": unit}
    hanging(5, 17)
    states: list[dict[str, Any]] = []
    with open_loader(web, **fields, prefetch_batches=6) as loader:
        whole = [next(loader)]
        settled(loader, 6)
        while len(whole) < 7:
            states.append(json.loads(json.dumps(loader.state_dict())))
            whole.append(next(loader))
            settled(loader, 6)
        last = loader.state_dict()
    assert states[0]["given_up"] and all(seconds == LIMIT for *_, seconds in states[0]["given_up"])
    assert last.get("given_up", []) != states[0]["given_up"]
    positions = last["positions"]
    assert all(position >= positions[dataset] for dataset, position, *_ in last.get("given_up", []))
    expected = [seen(batch) for batch in whole]
    failures = [batch.failures for batch in whole]
    use(monkeypatch, decode)
    for number, state in enumerate(states, start=1):
        with open_loader(web, **fields) as loader:
            loader.load_state_dict(state)
            assert loader.state_dict() == state
            batches = [next(loader) for _ in whole[number:]]
        assert [seen(batch) for batch in batches] == expected[number:]
        assert [batch.failures for batch in batches] == failures[number:]
        if unit == "step":
            continue
        loaders = [open_loader(web, rank, 2, **fields, batch_size=2) for rank in range(2)]
        for loader in loaders:
            loader.load_state_dict(state)
        shown = [seen(next(loader)) for _ in range(2 * len(whole[number:])) for loader in loaders]
        assert sorted(chain(*shown)) == sorted(chain(*expected[number:]))
        for loader in loaders:
            loader.close()


def test_a_resumed_evaluation_counts_the_same_as_failed(
    web: Path, hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging(5, 17)
    with open_loader(web, mode="eval", prefetch_batches=5) as loader:
        next(loader)
        settled(loader, 5)
        state = loader.state_dict()
        rest = [next(loader) for _ in range(5)]
        assert loader.state_dict().get("given_up") is None
    assert [one[1:3] for one in state["given_up"]] == [[5, 0], [17, 0]]
    use(monkeypatch, decode)
    with open_loader(web, mode="eval") as loader:
        loader.load_state_dict(state)
        again = list(loader)
        assert [told(batch) for batch in again] == [told(batch) for batch in rest]
        assert [batch.failures for batch in again] == [batch.failures for batch in rest]
        assert loader.stats.accounting.failed == 2
        assert all(batch.failures[0].reason == REASON for batch in (again[0], again[3]))


def test_what_other_ranks_gave_up_is_in_the_cursor_of_all(
    web: Path, hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging(5, 17)
    loaders = [open_loader(web, rank, 2, prefetch_batches=5) for rank in range(2)]
    firsts = [next(loader) for loader in loaders]
    for loader in loaders:
        settled(loader, 5)
    union = [[*one] for loader in loaders for one in loader.given_up]  # as numbers over a wire
    states = [loader.state_dict(union) for loader in loaders]
    assert states[0] == states[1] and len(states[0]["given_up"]) == len(union) > 0
    rest = [[seen(next(loader)) for loader in loaders] for _ in range(5)]
    for loader in loaders:
        loader.close()
    assert all(batch.valid.all() for batch in firsts)
    use(monkeypatch, decode)
    with open_loader(web) as loader:
        loader.load_state_dict(states[0])
        assert [seen(next(loader)) for _ in range(5)] == [[*chain(*parts)] for parts in rest]


def test_frames_that_come_late_change_nothing(web: Path, hanging: Callable[..., Hanging]) -> None:
    decoder = hanging(5, 17)
    with open_loader(web, threads=2) as loader:
        batches = []
        while len(batches) < 6:
            batches.append(next(loader))
        before = [told(batch) for batch in batches]
        assert len(decoder.threads) == 2 and all(thread.is_alive() for thread in decoder.threads)
        decoder.release.set()
        for thread in decoder.threads:
            thread.join(WAIT)
        assert [told(batch) for batch in batches] == before
        # They do not hang any more, so others may.
        decoder.release.clear()
        decoder.grays = {1, 2, 3}
        batches += [next(loader) for _ in range(6)]
        assert set(decoder.entered) == {5, 17, 1, 2, 3} and all(batch.valid.all() for batch in batches)
    assert all(255 not in np.asarray(batch.frames) for batch in batches)


@pytest.mark.parametrize("threads", [1, 8])
def test_more_than_four_stuck_threads_stop_the_run_by_name(
    web: Path, hanging: Callable[..., Hanging], threads: int
) -> None:
    decoder = hanging()
    loader = open_loader(web, threads=threads, batch_size=8, prefetch_batches=2)
    next(loader)
    decoder.grays = set(range(24))
    loader.load_state_dict(loader.state_dict())  # what was made ahead came in time
    began = time.monotonic()
    with pytest.raises(TooManyStuck, match=r"threads hang in the decoder, each for more than 0\.4 s") as raised:
        next(loader)
    taken = time.monotonic() - began
    assert taken < (6 if threads == 1 else 3) * LIMIT + 10
    named = str(raised.value).splitlines()[1:]
    assert len(named) >= 5 and all(line.startswith("  web/00000") for line in named)
    with pytest.raises(TooManyStuck, match="raise decode_seconds if these clips are only slow"):
        next(loader)
    loader.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("shards-") and t not in decoder.threads]
    decoder.grays = set()


def test_a_run_goes_on_when_stuck_threads_come_back(web: Path, hanging: Callable[..., Hanging]) -> None:
    decoder = hanging()
    with open_loader(web, threads=6, batch_size=8) as loader:
        next(loader)
        place, decoder.grays = loader.state_dict(), set(range(24))
        with pytest.raises(TooManyStuck, match="hang in the decoder"):
            next(loader)
        assert loader.state_dict(()) == place
        decoder.grays = set()
        decoder.release.set()
        until(lambda: goes_on(loader))


def goes_on(loader: Loader) -> bool:
    try:
        return bool(next(loader).valid.all())
    except TooManyStuck:
        return False


def test_close_waits_for_what_hangs_until_it_is_given_up(web: Path, hanging: Callable[..., Hanging]) -> None:
    decoder = hanging()
    loader = open_loader(web, prefetch_batches=1)
    next(loader)
    settled(loader, 1)
    decoder.grays = set(range(24))
    next(loader)
    until(lambda: len(decoder.threads) > 0)
    loader.close()
    left = [t for t in threading.enumerate() if t.name.startswith("shards-")]
    assert set(left) <= set(decoder.threads)


def test_a_filler_that_hangs_is_passed_over(
    tmp_path: Path, hanging: Callable[..., Hanging], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four ranks two get nothing but padding, and look for a good clip of their own."""
    folder = write_dataset(tmp_path / "web", "web", 6, records_of=(1,))
    shown = []
    for decoder in (refusing({0, 1, 2}), None):
        if decoder is None:
            hanging(0, 1, 2)
        else:
            use(monkeypatch, decoder)
        with open_loader(folder, 3, 4, batch_size=8, mode="eval") as loader:
            shown.append(told(next(loader)))
    assert shown[0] == shown[1]


def test_a_slow_fetch_does_not_count(web: Path) -> None:
    """A clip's bytes come while it is decoded, and take longer than decoding may."""
    data, answer, asked, slow = picture(7), threading.Event(), threading.Event(), False

    def fetch(spans: Sequence[Span]) -> list[bytes]:
        asked.set()
        assert answer.wait(WAIT)
        return [data[start:stop] for start, stop in spans]

    class Part(PartialMedium):
        def bring(self, frames: Iterable[int]) -> None:
            """Nothing ahead: all of it is fetched by the decoder."""

    def in_parts(sample: Sample, rng: RngFactory) -> EncodedClip:
        media = Part(len(data), KeyFrames([0, 1], [0.0, 1.0], [0, 1]), fetch) if slow else sample.media
        return replace(encode(sample, rng), media=media)

    with Loader(config(("web", web), batch_size=1, prefetch_batches=0, decode_seconds=LIMIT), 0, 1, in_parts) as loader:
        next(loader)
        slow, got = True, list[Batch]()
        consumer = threading.Thread(target=lambda: got.append(next(loader)))
        consumer.start()
        assert asked.wait(WAIT)
        consumer.join(4 * LIMIT)
        assert consumer.is_alive() and loader.stats.snapshot().given_up == 0
        answer.set()
        consumer.join(WAIT)
        assert (got[0].frames == 7).all() and not got[0].failures


# ---- processes

SCRIPT = """
import os, sys, threading, ctypes, typer
from pathlib import Path
from shards.decode import backends
from shards.decode.cpu import decode
from shards.decode.decoder import Backend
from shards.loader.loader import Loader
from shards.cli.exit_codes import one_line_errors
from tests.shards.small_dataset import config, encode

folder, how, limit = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
hang_at = {int(number) for number in sys.argv[4].split(",")}
armed = False

def hang(media, kind, plan):
    frames = decode(media, kind, plan)
    if armed and int(frames.flat[0]) in hang_at:
        if how == "stdin":
            os.write(1, b"hangs\\n")
            sys.stdin.readline()
        elif how == "event":
            threading.Event().wait()
        else:
            ctypes.CDLL(None).pause()
    return frames

backends.BACKENDS["cpu"] = lambda *_: Backend("cpu", hang)
settings = config(("web", folder), streams=1, window=40, batch_size=8, prefetch_batches=2, threads=2, decode="cpu",
                  decode_seconds=limit, max_failure_rate=None)
def main():
    global armed
    with one_line_errors():
        loader = Loader(settings, 0, 1, encode)
        next(loader)
        armed = True
        for _ in range(3 * 24 // 8):
            next(loader)
        os.write(1, f"given up: {loader.stats.snapshot().given_up}\\n".encode())
        if how != "event":
            loader.close()

sys.argv = ["script"]
typer.run(main)
"""


def script(web: Path, how: str, limit: float, *hang_at: int) -> subprocess.Popen[str]:
    arguments = [str(web), how, str(limit), ",".join(map(str, hang_at))]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stopped_process_gives_nothing_up(web: Path) -> None:
    limit = 3.0
    process = script(web, "stdin", limit, 5)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    threading.Event().wait(2 * limit)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate("\n" * 100, timeout=WAIT)
    assert process.returncode == 0, err
    assert "given up: 0" in out.splitlines()


@pytest.mark.parametrize("how", ["event", "pause"])
def test_a_process_ends_although_a_thread_hangs(web: Path, how: str) -> None:
    """With a loader that is closed or not, in Python or in C."""
    process = script(web, how, LIMIT, 5)
    out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 0, err
    assert re.fullmatch("given up: [1-4]\\n", out)


def test_a_process_that_too_many_clips_hang_ends_with_its_exit_code(web: Path) -> None:
    process = script(web, "event", LIMIT, *range(24))
    _, err = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    last = [line for line in err.splitlines() if line.startswith(("error:", "  web/"))]
    assert "threads hang in the decoder" in last[0] and len(last) >= 6 and "Traceback" not in err


def test_without_a_limit_nothing_is_given_up(web: Path, hanging: Callable[..., Hanging]) -> None:
    decoder = hanging()
    with open_loader(web, decode_seconds=None, prefetch_batches=1) as loader:
        next(loader)
        settled(loader, 1)
        decoder.grays = set(range(24))
        next(loader)
        until(lambda: bool(decoder.entered))
        threading.Event().wait(3 * LIMIT)
        assert loader.stats.snapshot().given_up == 0
        assert not [t for t in threading.enumerate() if t.name.startswith("shards-watch")]
        decoder.grays = set()
        decoder.release.set()


def test_a_warning_is_logged_once_for_each_clip(
    web: Path, hanging: Callable[..., Hanging], caplog: pytest.LogCaptureFixture
) -> None:
    hanging(3)
    with caplog.at_level(logging.WARNING), open_loader(web) as loader:
        take(loader, 6)
    assert sum("web/000000.tar:0003" in message for message in caplog.messages) == 1
