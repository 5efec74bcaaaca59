"""Equal clips of one sample in a batch come from one decoding, and nothing else tells that they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import MediaError, TooManyFailures
from shards.dataset.writing.writer import DatasetWriter
from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.decoder import Backend
from shards.loader.config import LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import Encode, RngFactory
from shards.loader.snapshot import Snapshot
from shards.loader.stages.batch import Batch
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from shards.media.randaugment import Op
from shards.read.sample import Sample, SampleError
from tests.shards.small_dataset import SIDE, config, picture, write_dataset

CLIP = ClipConfig(num_frames=4, size=32).for_evaluation()


def ask(sample: Sample, rng: RngFactory) -> EncodedClip:
    """The same clip for every record of a video."""
    return EncodedClip(sample.media, sample.facts.kind, plan_clip(sample.facts, CLIP, rng("clip")), {}, sample.record)


def alone(task: Encode) -> Encode:
    """The same task, but each clip has bytes of its own, so that every slot is decoded by itself."""

    def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
        clip = task(sample, rng)
        media = bytes(bytearray(clip.media)) if isinstance(clip.media, bytes) else copy(clip.media)
        return replace(clip, media=media)

    return encode


@pytest.fixture
def films(tmp_path: Path, make_clip: Callable[..., bytes]) -> Callable[..., Path]:
    """films("mp4", 20, None, 3) -> three videos with 20 questions each, the second no video; facts are those of all."""

    def write(ext: str, num_questions: int, *lengths: int | None) -> Path:
        codec = {"mp4": "libx264", "webm": "libvpx-vp9"}[ext]
        with DatasetWriter(tmp_path / "films", "films", samples_per_shard=2) as writer:
            for number, length in enumerate(lengths):
                data = make_clip(length or 40, codec=codec)
                records = [{"question": f"{length}-{record}"} for record in range(num_questions)]
                facts = probe(data, f"x.{ext}")
                writer.write(f"{number:03d}", data if length else b"no video", ext, records, {}, facts)
        return tmp_path / "films"

    return write


def evaluate(
    folder: Path, batch_size: int, ledger: Path | None = None, task: Encode = ask, **fields: Any
) -> tuple[list[Batch], Snapshot]:
    settings = config(("films", folder), batch_size=batch_size, mode="eval", max_failure_rate=None, **fields)
    with Loader(settings, 0, 1, task, ledger) as loader:
        return list(loader), loader.stats.snapshot()


def test_questions_about_a_video_share_a_decoding_inside_a_batch(
    films: Callable[..., Path], read_number: Callable[[np.ndarray], int]
) -> None:
    batches, stats = evaluate(films("mp4", 20, 40, 60, 80), 32)
    assert [len({origin.key for origin in batch.origins if origin.dataset}) for batch in batches] == [2, 2]
    assert stats.times["decode"].items == 4 and stats.times["encode"].items == 60
    assert stats.accounting.delivered == 60 and stats.accounting.padded == 4
    for batch in batches:
        for meta, frames, valid in zip(batch.meta, batch.frames, batch.valid, strict=True):
            if valid:
                length = int(meta["question"].split("-")[0])
                assert [read_number(frame) for frame in frames] == [(2 * i + 1) * length // 8 for i in range(4)]


def test_questions_that_a_shuffled_batch_mixes_share_a_decoding_as_well(films: Callable[..., Path]) -> None:
    mixed = config(("films", films("mp4", 5, 40, 60, 80)), batch_size=5, streams=1, window=15, prefetch_batches=0)
    with Loader(mixed, 0, 1, ask) as loader:
        for _ in range(9):
            before = loader.stats.snapshot()
            keys = [origin.key for origin in next(loader).origins]
            assert (loader.stats.snapshot() - before).times["decode"].items == len(set(keys))
            if keys != sorted(keys):
                break
        else:
            raise AssertionError("no batch had its videos mixed")


def test_a_video_that_fails_fails_every_question_and_is_tried_once(films: Callable[..., Path], tmp_path: Path) -> None:
    folder = films("mp4", 5, 40, None, 60)
    runs = []
    for name, task, decodings in (("shared", ask, 3), ("alone", alone(ask), 15)):
        batches, stats = evaluate(folder, 15, tmp_path / name, task)
        runs.append((batches[0].failures, (tmp_path / name).read_text(), stats.accounting, batches[0].meta))
        assert stats.times["decode"].items == decodings
    assert runs[0] == runs[1]
    failures, ledger, accounting, meta = runs[0]
    assert [(failure.origin.key, failure.row, failure.stage) for failure in failures] == [
        ("001", row, "decode") for row in range(5, 10)
    ]
    assert len(ledger.splitlines()) == 5 and len({json.loads(line)["reason"] for line in ledger.splitlines()}) == 1
    assert (accounting.failed, accounting.failed_attempts, accounting.delivered) == (5, 5, 10)
    assert [one["question"] for one in meta[5:10]] == [f"None-{record}" for record in range(5)]


def test_records_of_one_sample_fail_each_for_its_own_reason(films: Callable[..., Path], tmp_path: Path) -> None:
    def picky(sample: Sample, rng: RngFactory) -> EncodedClip:
        clip = ask(sample, rng)
        if sample.origin.key == "001" and sample.record_index == 1:
            raise SampleError(sample.origin, "no answer")
        if sample.origin.key == "001" and sample.record_index == 2:
            raise MediaError("too dark")
        if sample.origin.key == "001" and sample.record_index == 3:
            return replace(clip, plan=replace(clip.plan, frames=(0, 0, 0, 500)))
        return clip

    settings = config(("films", films("mp4", 4, 40, 60)), batch_size=8, mode="eval", max_failure_rate=None)
    with Loader(settings, 0, 1, picky, tmp_path / "ledger") as loader:
        [batch] = loader
        assert loader.quarantined() == {"films": {"encode": 2, "decode": 1}}
    assert [len(failures) for failures in batch.slot_failures] == [0, 0, 0, 0, 0, 1, 1, 1]
    (answer,), (dark,), (late,) = batch.slot_failures[5:]
    assert (answer.row, answer.stage, answer.reason) == (5, "encode", "no answer")
    assert (dark.row, dark.stage, dark.reason) == (6, "encode", "too dark")
    assert (late.row, late.stage) == (7, "decode") and "500" in late.reason
    assert batch.failures == [answer, dark, late]
    filed = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [(line["row"], line["reason"]) for line in filed] == [(f.row, f.reason) for f in batch.failures]


def test_tensors_are_shared_as_arrays_are(films: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = films("mp4", 3, 40, 60)
    expected, _ = evaluate(folder, 6)
    backend = Backend("tensors", lambda media, kind, plan: torch.from_numpy(decode(media, kind, plan)))
    monkeypatch.setitem(BACKENDS, "cpu", lambda *_: backend)
    [batch], stats = evaluate(folder, 6, decode="cpu")
    assert isinstance(batch.frames, torch.Tensor) and np.array_equal(batch.frames.numpy(), expected[0].frames)
    assert stats.times["decode"].items == 2


def test_dali_decodes_once_and_counts_what_it_decoded(films: Callable[..., Path]) -> None:
    pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")
    folder = films("webm", 4, 40, None, 60)
    shared, stats = evaluate(folder, 12, decode="dali")
    each, unshared = evaluate(folder, 12, task=alone(ask), decode="dali")
    assert np.array_equal(torch.as_tensor(shared[0].frames).cpu(), torch.as_tensor(each[0].frames).cpu())
    assert shared[0].failures == each[0].failures and stats.accounting == unshared.accounting
    assert stats.decoded == {"dali": 2, "cpu: damaged": 1}
    assert unshared.decoded == {"dali": 8, "cpu: damaged": 4}


def test_bytes_that_a_task_made_itself_are_not_taken_for_the_sample(tmp_path: Path) -> None:
    def paint(sample: Sample, rng: RngFactory) -> EncodedClip:
        plan = ClipPlan((0,), (SIDE, SIDE), (0, 0, SIDE, SIDE))
        return EncodedClip(picture(10 * sample.record_index), "image", plan, {}, {})

    folder = write_dataset(tmp_path / "qa", "qa", 1, records_of=(4,))
    with Loader(config(("qa", folder), batch_size=4, mode="eval"), 0, 1, paint) as loader:
        [batch] = loader
    assert [int(frames.max()) for frames in batch.frames] == [0, 10, 20, 30]


def outcome(
    settings: LoaderConfig, plans: Sequence[int], num_batches: int, around: Callable[[Encode], Encode]
) -> tuple[list[Any], int]:
    """All that a consumer and the accounts see of so many batches, and the clips that were decoded."""

    def task(sample: Sample, rng: RngFactory) -> EncodedClip:
        # pictures are of one gray, so a plan shows by its brightness
        strength = 0.25 * plans[sample.record_index % len(plans)] + 0.25 * int(rng("clip").integers(2))
        ops = (Op("brightness", strength),) if strength else ()
        plan = ClipPlan((0, 0), (SIDE, SIDE), (0, 0, SIDE, SIDE), ops=ops)
        ids = {"ids": np.arange(1 + sample.record_index)}
        return EncodedClip(sample.media, sample.facts.kind, plan, ids, {"record": sample.record})

    seen: list[Any] = []
    with Loader(settings, 0, 1, around(task)) as loader:
        try:
            for _, batch in zip(range(num_batches), loader, strict=False):
                arrays = {name: array.tolist() for name, array in batch.arrays.items()}
                seen.append(
                    (np.asarray(batch.frames).tobytes(), arrays, batch.meta, batch.origins, batch.valid.tolist())
                )
                seen.append((batch.failures, loader.state_dict()))
        except (TooManyFailures, ValueError) as error:
            seen.append(str(error))
        stats = loader.stats.snapshot()
        seen.append((stats.accounting, loader.quarantined()))
    return seen, stats.times["decode"].items


@settings(max_examples=30)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    broken=st.sets(st.integers(0, 5), max_size=2),
    plans=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    batch_size=st.integers(1, 12),
    threads=st.integers(1, 4),
    mode=st.sampled_from(["eval", "train"]),
)
def test_batches_are_those_of_slots_decoded_one_by_one(
    counts: list[int], broken: set[int], plans: list[int], batch_size: int, threads: int, mode: str
) -> None:
    with TemporaryDirectory() as name:
        folder = write_dataset(Path(name, "qa"), "qa", len(counts), counts, per_shard=2, broken=broken)
        fields: dict[str, Any] = {"threads": threads, "mode": mode, "streams": 1, "window": 40, "prefetch_batches": 0}
        setting = config(("qa", folder), batch_size=batch_size, max_failure_rate=None, **fields)
        shared, few = outcome(setting, plans, 6, lambda task: task)
        each, many = outcome(setting, plans, 6, alone)
    assert shared == each and few <= many
