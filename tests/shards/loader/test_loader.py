"""The loader on real shards: one sequence for every world size and stop; failures are counted, errors raised."""

from __future__ import annotations

import gc
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import CursorMismatch, MediaError, TooManyFailures
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import Encode, RngFactory
from shards.loader.stages.batch import PADDING
from shards.media.clip import EncodedClip
from shards.read.sample import Sample, SampleError
from tests.shards.fake_time import FakeTime
from tests.shards.far_folder import WAIT, until
from tests.shards.http_store import HttpStore
from tests.shards.loader.conftest import BROKEN
from tests.shards.small_dataset import config, encode, seen, sequence, write_dataset

MIXED: dict[str, Any] = {"streams": 1, "window": 40}
"""All elements in one window, so that every bad one has good neighbours."""


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """A dataset with one byte of one medium flipped behind the index's back: its checksum fails."""
    folder = write_dataset(tmp_path / "torn", "torn", 12, records_of=(1,))
    shard = folder / "000001.tar"
    data = bytearray(shard.read_bytes())
    data[data.index(b"IDAT")] ^= 1
    shard.write_bytes(data)
    return folder


@contextmanager
def ranks(settings: LoaderConfig, world_size: int = 1, task: Encode = encode, **fields: Any) -> Iterator[list[Loader]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Loader(settings, r, world_size, task, **fields)) for r in range(world_size)]


def run(settings: LoaderConfig, num_batches: int, world_size: int = 1) -> list[list[tuple[str, int]]]:
    with ranks(settings, world_size) as loaders:
        return sequence(loaders, num_batches)


# ---- the sequence


def test_one_pass_delivers_every_record_once(cc: Path) -> None:
    batches = run(config(("cc", cc), batch_size=19), 4)
    captions = [[caption for batch in batches[i : i + 2] for caption, _ in batch] for i in (0, 2)]
    expected = sorted(f"cc-{i}-{r}" for i in range(19) for r in range((2, 1, 3)[i % 3]))
    assert sorted(captions[0]) == sorted(captions[1]) == expected
    assert captions[0] != captions[1]


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("unit", ["step", "sample"])
def test_the_ranks_together_read_the_same_sequence(cc: Path, web: Path, unit: str, world_size: int) -> None:
    settings = config(("cc", cc), ("web", web), unit=unit)
    assert run(settings, 9, world_size) == run(settings, 9)


def of_sizes(cc: Path, web: Path, cc_size: int, web_size: int, per_turn: int = 2) -> LoaderConfig:
    """Two datasets in turns of `per_turn` batches, each with a batch size of its own."""
    blend = [
        DatasetConfig(name=name, path=str(path), batch_size=size, weight=weight)
        for name, path, size, weight in (("cc", cc, cc_size, 2), ("web", web, web_size, 1))
    ]
    return config(blend=blend, batch_size=8, batches_per_turn=per_turn)


def test_each_dataset_may_have_batches_of_its_own_size(cc: Path, web: Path) -> None:
    settings = of_sizes(cc, web, 8, 4)
    whole = run(settings, 9)
    assert [len(batch) for batch in whole] == [8, 8, 4, 4, 8, 8, 8, 8, 4]
    assert run(settings, 9, 2) == whole
    with ranks(settings) as [loader]:
        assert loader.elements_per_batch == pytest.approx(20 / 3)
    with pytest.raises(ValueError, match=r"batch_size 4 \(global\) does not divide among world_size 8 ranks"):
        Loader(settings, 0, 8, encode)


def test_batch_sizes_and_turns_may_change_and_no_element_is_lost(cc: Path, web: Path) -> None:
    """The turns go on in their order; elements are those that are due."""
    found: list[tuple[str, int]] = []
    state: dict[str, Any] | None = None
    for sizes, per_turn, world_size, count in (((8, 4), 2, 1, 4), ((4, 2), 1, 2, 3), ((2, 2), 3, 2, 9)):
        with ranks(of_sizes(cc, web, *sizes, per_turn), world_size) as loaders:
            for loader in loaders:
                if state is not None:
                    loader.load_state_dict(state)
            for _ in range(count):
                batches = [next(loader) for loader in loaders]
                found += [(batches[0].dataset or "", len(batch)) for batch in batches]
            state = loaders[0].state_dict()
    assert state is not None
    assert state["positions"] == [sum(size for name, size in found if name == own) for own in ("cc", "web")]
    assert found[:4] == [("cc", 8), ("cc", 8), ("web", 4), ("web", 4)] and found[4:6] == [("cc", 2), ("cc", 2)]


def test_weights_may_follow_from_the_elements(cc: Path, web: Path) -> None:
    with ranks(config(("cc", cc), ("web", web)), weigh=lambda counts: [count / 100 for count in counts]) as [loader]:
        assert loader.state_dict()["weights"] == [149, 51]


def test_threads_and_prefetch_change_nothing(cc: Path) -> None:
    expected = run(config(("cc", cc), threads=1, prefetch_batches=0), 8)
    assert run(config(("cc", cc), threads=5, prefetch_batches=4), 8) == expected


def test_a_repeated_element_is_drawn_anew_in_every_pass(cc: Path) -> None:
    drawn: dict[str, list[int]] = {}
    for batch in run(config(("cc", cc), batch_size=38), 2):
        for caption, number in batch:
            drawn.setdefault(caption, []).append(number)
    assert all(len(set(numbers)) == 2 for numbers in drawn.values())


def test_repeat_holds_every_element_several_times_a_pass_each_drawn_anew(web: Path) -> None:
    settings = config(batch_size=39, blend=(DatasetConfig(name="web", path=str(web), repeat=3),))
    [batch] = run(settings, 1)
    captions = [caption for caption, _ in batch]
    assert sorted(captions) == sorted([f"web-{i}-0" for i in range(13)] * 3)
    assert len(set(batch)) == 39


def test_elements_by_sample_draw_one_record_each_and_another_in_another_pass(cc: Path) -> None:
    settings = config(batch_size=19, blend=(DatasetConfig(name="cc", path=str(cc), elements="sample"),))
    passes = run(settings, 6)
    for batch in passes:
        assert sorted(int(caption.split("-")[1]) for caption, _ in batch) == list(range(19))
    assert len({caption for batch in passes for caption, _ in batch}) > 30


def test_a_blend_by_step_gives_homogeneous_batches_in_its_shares(cc: Path, web: Path) -> None:
    blend = (DatasetConfig(name="cc", path=str(cc), weight=3), DatasetConfig(name="web", path=str(web)))
    with ranks(config(blend=blend)) as [loader]:
        batches = [next(loader) for _ in range(8)]
    assert sorted(str(b.dataset) for b in batches) == ["cc"] * 6 + ["web"] * 2
    assert all({origin.dataset for origin in b.origins} == {b.dataset} for b in batches)


def test_a_batch_carries_frames_text_and_origins(cc: Path) -> None:
    with ranks(config(("cc", cc), pad_to_multiple=4)) as [loader]:
        batch = next(loader)
    assert batch.frames.shape == (8, 2, 4, 4, 3) and batch.frames.dtype == np.uint8
    assert batch.valid.all() and batch.failures == []
    assert batch.arrays["codes"].shape == (8, 8) and batch.arrays["codes"].shape == batch.arrays["mask"].shape
    for i, meta in enumerate(batch.meta):
        assert (batch.frames[i] == meta["number"]).all()
        assert batch.origins[i].key == f"{meta['number']:04d}"
        length = int(batch.arrays["mask"][i].sum())
        assert "".join(map(chr, batch.arrays["codes"][i, :length])) == meta["caption"]


# ---- resume


@pytest.mark.parametrize("prefetch_batches", [0, 3])
@pytest.mark.parametrize("unit", ["step", "sample"])
def test_a_run_resumes_at_every_batch(cc: Path, web: Path, unit: str, prefetch_batches: int) -> None:
    settings = config(("cc", cc), ("web", web), unit=unit, prefetch_batches=prefetch_batches)
    states = []
    whole = []
    with ranks(settings) as [loader]:
        for _ in range(12):
            states.append(json.loads(json.dumps(loader.state_dict())))
            whole.append(seen(next(loader)))
    with ranks(settings) as [loader]:
        for step in (11, 0, 5, 9, 1):  # one loader may also be sent back and forth
            loader.load_state_dict(states[step])
            assert loader.state_dict() == states[step]
            assert sequence([loader], 12 - step) == whole[step:]


def test_a_run_resumes_with_another_world_size(cc: Path, web: Path) -> None:
    settings = config(("cc", cc), ("web", web))
    whole = run(settings, 9)
    state: dict[str, Any] = {}
    resumed = []
    for world_size in (2, 1, 8):
        with ranks(settings, world_size) as loaders:
            for loader in loaders:
                if state:
                    loader.load_state_dict(state)
            resumed += sequence(loaders, 3)
            saved = [loader.state_dict() for loader in loaders]
        assert all(s == saved[0] for s in saved)
        state = saved[0]
    assert resumed == whole


def test_a_run_resumes_with_another_batch_size(cc: Path) -> None:
    """One dataset: positions go on without a gap, whatever the batches; the pass stays complete."""
    state: dict[str, Any] = {}
    captions: list[str] = []
    for batch_size, num_batches in ((8, 2), (6, 2), (10, 1)):
        with ranks(config(("cc", cc), batch_size=batch_size)) as [loader]:
            if state:
                loader.load_state_dict(state)
            captions += [caption for batch in sequence([loader], num_batches) for caption, _ in batch]
            state = loader.state_dict()
            assert loader.progress() == {"cc": (0, len(captions), 38)} or len(captions) == 38
    assert len(captions) == len(set(captions)) == 38


def test_a_step_counts_as_one_turn_whatever_the_batch(cc: Path, web: Path) -> None:
    with ranks(config(("cc", cc), ("web", web), batch_size=8)) as [loader]:
        assert next(loader).dataset == "cc"
        state = loader.state_dict()
    with ranks(config(("cc", cc), ("web", web), batch_size=4)) as [loader]:
        loader.load_state_dict(state)
        assert [next(loader).dataset for _ in range(3)] == ["web", "cc", "web"]
        assert loader.progress() == {"cc": (0, 12, 38), "web": (0, 8, 13)}


def test_a_changed_world_or_batch_is_logged(cc: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ranks(config(("cc", cc))) as [loader]:
        state = loader.state_dict()
    with caplog.at_level(logging.INFO, "shards.loader.loader"), ranks(config(("cc", cc), batch_size=6), 2) as loaders:
        loaders[0].load_state_dict(state)
    assert caplog.messages == [
        "resumed with batch_size 6, saved with 8",
        "resumed with world_size 2, saved with 1",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": 5}, "cursor: seed differs: saved 0, this loader has 5"),
        ({"streams": 2}, "cursor: streams differs: saved 4, this loader has 2"),
        ({"window": 7}, r"cursor: window differs: saved \[6, 6\], this loader has \[7, 7\]"),
        ({"unit": "sample"}, "cursor: unit differs: saved 'step', this loader has 'sample'"),
        ({"mode": "eval"}, "cursor: unit differs: saved 'step', this loader has 'pass'"),
    ],
)
def test_a_cursor_of_another_order_is_refused(cc: Path, web: Path, fields: dict[str, Any], message: str) -> None:
    with ranks(config(("cc", cc), ("web", web))) as [loader]:
        state = loader.state_dict()
    with ranks(config(("cc", cc), ("web", web), **fields)) as [loader], pytest.raises(CursorMismatch, match=message):
        loader.load_state_dict(state)


def test_what_the_config_leaves_open_is_that_of_the_cursor(cc: Path, web: Path) -> None:
    """Also after a release with other defaults: streams and window of a run stay those that it began with."""
    named, left_open = (
        config(("cc", cc), ("web", web), **fields) for fields in ({}, {"streams": None, "window": None})
    )
    with Loader(named, 0, 1, encode) as loader:
        first = [seen(next(loader)) for _ in range(3)]
        state = loader.state_dict()
        rest = [seen(next(loader)) for _ in range(5)]
    with Loader(left_open, 0, 1, encode) as loader:
        assert [seen(next(loader)) for _ in range(3)] != first
        own = loader.state_dict()
        assert (own["streams"], own["window"]) == (8, [38, 17])
        loader.load_state_dict(state)
        assert [seen(next(loader)) for _ in range(5)] == rest
        later = loader.state_dict()
        assert (later["streams"], later["window"]) == (4, [6, 6])
    for broken in ({"streams": 0}, {"streams": [4]}, {"window": [6]}, {"window": [6, -1]}, {"streams": "4"}):
        with (
            Loader(left_open, 0, 1, encode) as loader,
            pytest.raises(CursorMismatch, match=r"(streams|window) differs"),
        ):
            loader.load_state_dict({**state, **broken})


def test_a_cursor_of_other_data_is_refused(cc: Path, web: Path) -> None:
    with ranks(config(("cc", cc))) as [loader]:
        state = loader.state_dict()
    with ranks(config(("cc", web))) as [loader], pytest.raises(CursorMismatch, match="fingerprint differs: saved '"):
        loader.load_state_dict(state)
    by_sample = (DatasetConfig(name="cc", path=str(cc), elements="sample", repeat=2),)
    with (
        ranks(config(blend=by_sample)) as [loader],
        pytest.raises(CursorMismatch, match=r"datasets differs: saved \['cc'\], this loader has \['cc/sample\*2'\]"),
    ):
        loader.load_state_dict(state)


# ---- failures in training


def test_a_failed_element_is_substituted_the_same_way_everywhere(damaged: Path, tmp_path: Path) -> None:
    settings = config(("damaged", damaged), **MIXED, batch_size=4)
    failures = []
    with ranks(settings) as [loader]:
        expected = []
        for _ in range(20):
            batch = next(loader)
            assert batch.valid.all() and len(batch) == 4
            expected.append(seen(batch))
            failures += batch.failures
    assert len(expected[0]) == 4
    assert not [c for batch in expected for c, _ in batch if int(c.split("-")[1]) in BROKEN]
    assert {(f.origin.key, f.stage) for f in failures} == {("0003", "decode"), ("0011", "decode")}
    assert all("not a picture" in f.reason for f in failures)
    assert run(settings, 20, 2) == run(settings, 20, 4) == expected
    with ranks(settings) as [first]:
        sequence([first], 7)
        state = first.state_dict()
    with ranks(settings, 2) as loaders:
        for loader in loaders:
            loader.load_state_dict(state)
        assert sequence(loaders, 13) == expected[7:]


def test_what_was_planned_is_delivered_or_substituted(damaged: Path) -> None:
    """19 batches of 4 are two passes of 38: each pass plans the 5 broken records once."""
    with ranks(config(("damaged", damaged), **MIXED, batch_size=4, prefetch_batches=3)) as [loader]:
        for _ in range(19):
            next(loader)
        counts = loader.stats.accounting
    broken = 2 * sum((2, 1, 3)[i % 3] for i in BROKEN)
    assert (counts.planned, counts.failed, counts.substituted) == (76, broken, broken)
    assert counts.delivered == 76 - broken
    assert counts.failed_attempts >= broken and counts.padded == 0


def test_counts_are_taken_when_a_batch_is_handed_over(damaged: Path) -> None:
    with ranks(config(("damaged", damaged), **MIXED, batch_size=4, prefetch_batches=5)) as [loader]:
        next(loader)
        assert loader.stats.accounting.planned == 4


def test_a_known_bad_element_is_not_read_again_and_the_order_stays(torn: Path, tmp_path: Path) -> None:
    ledger, store = tmp_path / "ledger.jsonl", HttpStore()
    store.hold(torn)
    at = store.files["/000001.tar"].index(b"HDAT")

    def reads_of_it() -> int:
        """Requests for its bytes since the last call; others are asked for as well."""
        ranges = [re.fullmatch(r"bytes=(\d+)-(\d+)", range_ or "") for _, _, range_ in store.requests]
        assert ranges
        reads = sum(
            path == "/000001.tar" and found is not None and int(found[1]) <= at <= int(found[2])
            for (_, path, _), found in zip(store.requests, ranges, strict=True)
        )
        store.requests.clear()
        return reads

    with store.running():
        # without a look-ahead, which might read it again before it is known
        settings = config(("torn", store.url), batch_size=4, prefetch_batches=0)
        with ranks(settings, ledger_path=ledger) as [loader]:
            expected = sequence([loader], 3)
            reads = reads_of_it()
            expected += sequence([loader], 9)
            assert reads and not reads_of_it()
        filed = ledger.read_text()
        with ranks(settings, ledger_path=ledger) as [loader]:
            reads_of_it()
            assert sequence([loader], 12) == expected
            assert loader.stats.accounting.failed == 4
            assert reads_of_it() == reads  # a new process tries it once
    [entry] = [json.loads(line) for line in filed.splitlines()]
    assert (entry["dataset"], entry["shard"], entry["key"], entry["stage"]) == ("torn", "000001.tar", "0005", "read")
    assert entry["lasting"] and "checksum" in entry["reason"]
    assert ledger.read_text() == filed


def test_a_shard_that_was_repaired_is_used_from_the_next_start_on(torn: Path, tmp_path: Path) -> None:
    settings = config(("torn", torn), batch_size=4)
    shard = torn / "000001.tar"
    with ranks(settings, ledger_path=tmp_path / "ledger.jsonl") as [loader]:
        damaged = sequence([loader], 6)
        state = loader.state_dict()
    data = shard.read_bytes()
    shard.write_bytes(data.replace(b"HDAT", b"IDAT", 1))  # the bit that the fixture flipped
    with ranks(settings) as [loader]:
        whole = sequence([loader], 9)
    with ranks(settings, ledger_path=tmp_path / "ledger.jsonl") as [loader]:
        loader.load_state_dict(state)
        assert sequence([loader], 3) == whole[6:]
        assert loader.stats.accounting.failed == 0
    pairs = zip(chain(*damaged), chain(*whole[:6]), strict=True)
    assert [new[0] for old, new in pairs if old != new] == ["torn-5-0"] * 2  # once in each of two passes


def test_too_many_failures_stop_the_run_with_the_reasons(damaged: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "logs" / "ledger.jsonl"
    settings = config(("damaged", damaged), **MIXED, batch_size=2, max_failures=3)
    with ranks(settings, ledger_path=ledger) as [loader]:
        with pytest.raises(TooManyFailures, match=r"4 of \d+ elements tried.*max_failures 3") as raised:
            sequence([loader], 40)
        state, counts = loader.state_dict(), loader.stats.accounting
        with pytest.raises(TooManyFailures):
            next(loader)
        assert (loader.state_dict(), loader.stats.accounting) == (state, counts)
    assert str(ledger) in str(raised.value) and "damaged/000000.tar:0003: not a picture" in str(raised.value)
    assert len(ledger.read_text().splitlines()) == 4


def test_failed_substitutes_count_against_the_budget(web: Path) -> None:
    def picky(sample: Sample, rng: RngFactory) -> EncodedClip:
        if sample.meta["number"] % 2:
            raise SampleError(sample.origin, "odd")
        return encode(sample, rng)

    with (
        ranks(config(("web", web), **MIXED, batch_size=4, max_failures=4), task=picky) as [loader],
        pytest.raises(TooManyFailures, match="max_failures 4"),
    ):
        while (counts := loader.stats.accounting).failed < 4:
            next(loader)
    assert counts.failed < 4 and counts.failed_attempts <= 4


def test_bad_elements_only_stop_the_run(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "bad", "bad", 4, broken=range(4))
    with (
        ranks(config(("bad", folder), batch_size=2)) as [loader],
        pytest.raises(TooManyFailures, match="this element and its 8 substitutes, all from around one place"),
    ):
        next(loader)


def test_encode_may_refuse_a_sample(web: Path) -> None:
    def picky(sample: Sample, rng: RngFactory) -> EncodedClip:
        if sample.meta["number"] == 7:
            raise SampleError(sample.origin, "number 7")
        if sample.meta["number"] == 8:
            raise MediaError("number 8")
        return encode(sample, rng)

    with ranks(config(("web", web), batch_size=13), task=picky) as [loader]:
        batch = next(loader)
    assert {f.reason for f in batch.failures} == {"number 7", "number 8"}
    assert {f.stage for f in batch.failures} == {"encode"}


# ---- evaluation


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_evaluation_gives_every_element_once_in_order(cc: Path, web: Path, world_size: int) -> None:
    settings = config(("cc", cc), ("web", web), mode="eval")
    with ranks(settings, world_size) as loaders:
        assert loaders[0].num_elements == 51 and loaders[0].num_batches == 7
        parts = list(zip(*loaders, strict=True))
        again = list(zip(*loaders, strict=True))
    captions = [caption for batches in parts for batch in batches for caption, _ in seen(batch)]
    assert captions == [f"cc-{i}-{r}" for i in range(19) for r in range((2, 1, 3)[i % 3])] + [
        f"web-{i}-0" for i in range(13)
    ]
    assert len(parts) == len(again) == 7
    assert [seen(b) for batches in parts for b in batches] == [seen(b) for batches in again for b in batches]
    assert [b.dataset for b in parts[0]] == ["cc"] * world_size
    padded = [batch for batch in parts[-1] if not batch.valid.all()]
    assert sum(int((~b.valid).sum()) for b in padded) == 5
    for batch in parts[-1]:
        assert batch.frames.shape == (8 // world_size, 2, 4, 4, 3)
        assert [o == PADDING for o in batch.origins] == (~batch.valid).tolist()
        assert batch.arrays["mask"].sum(axis=1).all()  # a model sees no empty text, not even in padding


def test_evaluation_counts_failures_and_substitutes_nothing(damaged: Path) -> None:
    with ranks(config(("damaged", damaged), mode="eval"), 2) as loaders:
        batches = [batch for loader in loaders for batch in loader]
        counts = loaders[0].stats.accounting + loaders[1].stats.accounting
    failures = [f for b in batches for f in b.failures]
    assert sorted(f.origin.key for f in failures) == ["0003"] * 2 + ["0011"] * 3
    assert sum(int(b.valid.sum()) for b in batches) == 33
    assert (counts.planned, counts.delivered, counts.failed, counts.substituted, counts.padded) == (38, 33, 5, 0, 2)
    missing = [m["caption"] for b in batches for m, v in zip(b.meta, b.valid, strict=True) if not v and m]
    assert sorted(missing) == ["damaged-11-0", "damaged-11-1", "damaged-11-2", "damaged-3-0", "damaged-3-1"]


def test_evaluation_resumes_and_then_starts_anew(cc: Path) -> None:
    settings = config(("cc", cc), mode="eval")
    with ranks(settings) as [loader]:
        whole = [seen(batch) for batch in loader]
    with ranks(settings) as [loader]:
        assert sequence([loader], 2) == whole[:2]
        state = loader.state_dict()
    with ranks(settings) as [loader]:
        loader.load_state_dict(state)
        assert [seen(batch) for batch in loader] == whole[2:]
        assert [seen(batch) for batch in loader] == whole


def test_an_evaluation_left_in_the_middle_starts_anew(cc: Path) -> None:
    with ranks(config(("cc", cc), mode="eval")) as [loader]:
        first = seen(next(iter(loader)))
        assert seen(next(iter(loader))) == first


def test_evaluation_of_bad_elements_only_says_so(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "bad", "bad", 4, broken=range(4))
    with (
        ranks(config(("bad", folder), mode="eval")) as [loader],
        pytest.raises(ValueError, match=r"bad: none of the first 8 elements could be used.* e\.g\. bad/\d+\.tar:"),
    ):
        next(loader)


@pytest.mark.parametrize("world_size", [1, 2])
def test_an_evaluation_that_begins_with_many_bad_elements_finds_its_shape(tmp_path: Path, world_size: int) -> None:
    bad = write_dataset(tmp_path / "bad", "bad", 80, records_of=(1,), per_shard=40, broken=range(70))
    settings = config(("bad", bad), batch_size=8, mode="eval", max_failure_rate=None)
    good = 0
    for rank in range(world_size):
        with Loader(settings, rank, world_size, encode) as loader:
            good += sum(int(batch.valid.sum()) for batch in loader)
    assert good == 10


# ---- errors and the end


def test_a_programming_error_is_raised_with_its_origin_and_nothing_is_lost(cc: Path) -> None:
    armed = True

    def buggy(sample: Sample, rng: RngFactory) -> EncodedClip:
        if armed and sample.meta["number"] == 4:
            raise KeyError("caption_of_another_task")
        return encode(sample, rng)

    expected = run(config(("cc", cc)), 6)
    got = []
    with ranks(config(("cc", cc)), task=buggy) as [loader]:
        with pytest.raises(KeyError, match="caption_of_another_task") as raised:
            for _ in range(6):
                got.append(seen(next(loader)))
        assert "while the loader was at encode of cc/000000.tar:0004 (element" in raised.value.__notes__[0]
        armed = False
        got += sequence([loader], 6 - len(got))
    assert got == expected


def test_clips_of_different_shape_are_refused(cc: Path) -> None:
    def uneven(sample: Sample, rng: RngFactory) -> EncodedClip:
        clip = encode(sample, rng)
        clip.arrays["n" if sample.meta["number"] % 2 else "m"] = np.ones(1)
        return clip

    with (
        ranks(config(("cc", cc)), task=uneven) as [loader],
        pytest.raises(ValueError, match="elements of one batch must have the same arrays: cc/"),
    ):
        next(loader)


def threads_of_loaders() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("shards-loader")]


def test_close_leaves_no_threads_and_may_be_called_again(cc: Path) -> None:
    loader = Loader(config(("cc", cc), threads=4), 0, 1, encode)
    next(loader)
    assert threads_of_loaders()
    state = loader.state_dict()
    loader.close()
    loader.close()
    assert not threads_of_loaders() and loader.closed
    assert loader.state_dict() == state
    with pytest.raises(ValueError, match="this loader is closed"):
        next(loader)


def test_close_does_not_wait_for_what_was_made_ahead(cc: Path) -> None:
    started = threading.Event()
    release = threading.Event()
    encoded: list[str] = []

    def slow(sample: Sample, rng: RngFactory) -> EncodedClip:
        encoded.append(sample.origin.key)
        if len(encoded) > 8:
            started.set()
            release.wait()
        return encode(sample, rng)

    loader = Loader(config(("cc", cc), threads=1, prefetch_batches=4), 0, 1, slow)

    def release_when_closed() -> None:
        until(lambda: loader.closed)  # when all that waits was given up
        release.set()

    next(loader)
    assert started.wait(WAIT)
    releaser = threading.Thread(target=release_when_closed)
    releaser.start()
    loader.close()
    releaser.join()
    assert len(encoded) == 9 and not threads_of_loaders()


def test_a_dropped_loader_stops_its_threads(cc: Path) -> None:
    loader = Loader(config(("cc", cc)), 0, 1, encode)
    next(loader)
    del loader
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("shards-loader"):
            thread.join(WAIT)
    assert not threads_of_loaders()


def test_look_ahead_is_bounded(cc: Path) -> None:
    with ranks(config(("cc", cc), prefetch_batches=2, fetch_batches=3)) as [loader]:
        for delivered in range(1, 5):
            next(loader)
            expected = {"read": 8 * (delivered + 2 + 3), "encode": 8 * (delivered + 2)}
            assert settled(lambda: worked_on(loader), expected) == expected


def test_fetching_ahead_stops_at_its_bytes_but_never_at_nothing(cc: Path) -> None:
    with ranks(config(("cc", cc), prefetch_batches=1, fetch_batches=50, fetch_bytes=0)) as [loader]:
        for delivered in range(1, 5):
            next(loader)
            expected = dict.fromkeys(("read", "encode"), 8 * (delivered + 1))
            assert settled(lambda: worked_on(loader), expected) == expected


def test_as_long_as_bytes_are_not_there_their_expected_number_counts(tmp_path: Path) -> None:
    """A store does not answer: of the batches ahead so many are asked for as their share of the dataset has room."""
    folder, store = write_dataset(tmp_path / "many", "many", 80, records_of=(1,)), HttpStore()
    store.hold(folder)
    asked, answer = set[tuple[str, str]](), threading.Event()

    def gate(method: str, path: str, range_: str) -> threading.Event | None:
        if not path.endswith(".tar"):
            return None
        asked.add((path, range_))
        return answer if len(asked) > 8 else None  # the first batch of all comes

    store.gate = gate
    room = 2 * 8 * (sum(shard.stat().st_size for shard in folder.glob("*.tar")) // 80)
    settings = config(("many", store.url), prefetch_batches=1, fetch_batches=50, fetch_bytes=room)
    with store.running(), ranks(settings) as [loader]:
        next(loader)
        # two have room, the third goes beyond it; a fourth could be asked for at once as well
        assert settled(lambda: {"asked": len(asked)}, {"asked": 8 + 3 * 8}) == {"asked": 8 + 3 * 8}
        answer.set()
        next(loader)


def settled(counts: Callable[[], dict[str, int]], least: dict[str, int]) -> dict[str, int]:
    """The counts when they are there, and when more would have come that had nothing to wait for."""
    until(lambda: all(counts()[name] >= count for name, count in least.items()))
    threading.Event().wait(0.05)
    return counts()


def worked_on(loader: Loader) -> dict[str, int]:
    """Elements that were read, and those that went to the task, so far."""
    times = loader.stats.snapshot().times
    return {stage: times[stage].items for stage in ("read", "encode")}


def test_stats_say_where_the_time_went(cc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeTime(monkeypatch)

    def slow(sample: Sample, rng: RngFactory) -> EncodedClip:
        clock.pass_by(0.25)
        return encode(sample, rng)

    with ranks(config(("cc", cc), threads=1, prefetch_batches=0), task=slow) as [loader]:
        next(loader)
        before = loader.stats.snapshot()
        next(loader)
        interval = loader.stats.snapshot() - before
    assert interval.slowest == "encode"
    assert interval.seconds["encode"] == interval.wait_seconds == 8 * 0.25
    assert interval.num_batches == 1 and interval.accounting.delivered == 8


def test_the_queue_is_seen_full_when_the_consumer_is_slow_and_empty_when_it_is_fast(cc: Path) -> None:
    with ranks(config(("cc", cc), prefetch_batches=3)) as [loader]:
        batch = next(loader)
        for delivered in range(1, 50):
            until(lambda made=delivered + 3: loader.stats.snapshot().times["collate"].count == made)
            next(loader)
            queue = loader.stats.snapshot().queue
            if queue.last_ready == 3:  # else the last one was counted, but did not quite lie there
                break
        held = batch.frames.nbytes + sum(array.nbytes for array in batch.arrays.values())
        assert (queue.asked, queue.empty, queue.last_ready, queue.last_batches) == (delivered + 1, 1, 3, 3)
        assert abs(queue.last_bytes - 3 * held) < held
    with ranks(config(("cc", cc), prefetch_batches=0)) as [loader]:
        for _ in range(3):
            next(loader)
        queue = loader.stats.snapshot().queue
    assert (queue.asked, queue.empty, queue.last_batches, queue.last_bytes) == (3, 3, 0, 0)


def test_every_stage_counts_its_items(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "many", "many", 40, records_of=(1,))
    with ranks(config(("many", folder), prefetch_batches=0)) as [loader]:
        for _ in range(4):
            next(loader)
        times = loader.stats.snapshot().times
    assert [times[stage].items for stage in ("read", "encode", "decode", "collate", "wait")] == [32, 32, 32, 32, 4]
    assert [times[stage].count for stage in ("read", "encode", "collate", "wait")] == [4, 32, 4, 4]


def test_an_empty_dataset_is_named_with_its_path(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "hollow", "hollow", 0)
    with pytest.raises(ValueError, match=r"dataset 'hollow' at .*hollow has no elements \(0 shards\)"):
        Loader(config(("hollow", folder)), 0, 1, encode)


def test_ranks_must_fit_the_batch_and_the_world(cc: Path) -> None:
    with pytest.raises(ValueError, match=r"batch_size 8 \(global\) does not divide among world_size 3 ranks"):
        Loader(config(("cc", cc)), 0, 3, encode)
    with pytest.raises(ValueError, match=r"rank must lie in \[0, 2\), found 2"):
        Loader(config(("cc", cc)), 2, 2, encode)


def test_training_has_no_number_of_batches(cc: Path) -> None:
    with ranks(config(("cc", cc))) as [loader], pytest.raises(ValueError, match="training has no end"):
        _ = loader.num_batches


def test_open_shards_are_reported(cc: Path) -> None:
    with ranks(config(("cc", cc))) as [loader]:
        assert loader.open_shards() == {"cc": 4}
