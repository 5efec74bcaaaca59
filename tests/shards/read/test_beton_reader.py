"""The loader over a .beton: the elements, order, filters, places and accounts that it has over shards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import ConfigError, CursorMismatch, DatasetError
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import MediaFacts
from shards.read.beton import DESCRIPTOR, HEADER, JPG, RAW, Beton, checksum, fields, row_type
from shards.read.beton_reader import BetonReader
from shards.read.sample import Sample, SampleError
from tests.shards.small_beton import Stored, beton_of, numbered, write_beton
from tests.shards.small_dataset import encode, seen, sequence, write_dataset


def settings(path: Path, dataset: dict[str, Any] | None = None, **fields: Any) -> LoaderConfig:
    source = {"source": "ffcv"} if path.suffix == ".beton" else {}
    one = {"name": "toy", "path": str(path), **source, **(dataset or {})}
    return LoaderConfig.model_validate({"blend": [one], "batch_size": 4, "streams": 4, "window": 6} | fields)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 pictures with 1 to 3 records in shards of 5."""
    return write_dataset(tmp_path_factory.mktemp("shards") / "toy", "toy", 23)


@pytest.fixture(scope="module")
def beton(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, stored."""
    return beton_of(shards, tmp_path_factory.mktemp("beton") / "toy.beton")


@pytest.mark.parametrize("dataset", [{}, {"elements": "sample"}, {"repeat": 2}], ids=str)
@pytest.mark.parametrize("world_size", [1, 2])
def test_the_elements_and_draws_of_the_shards_come_in_their_order(
    shards: Path, beton: Path, dataset: dict[str, Any], world_size: int
) -> None:
    both = []
    for path in (shards, beton):
        loaders = [Loader(settings(path, dataset), rank, world_size, encode) for rank in range(world_size)]
        both.append(sequence(loaders, 30))
        for loader in loaders:
            loader.close()
    assert both[0] == both[1]


def test_an_evaluation_gives_every_element_once(shards: Path, beton: Path) -> None:
    both = []
    for path in (shards, beton):
        with Loader(settings(path, mode="eval"), 0, 1, encode) as loader:
            both.append([(seen(batch), batch.frames[batch.valid].tolist()) for batch in loader])
            assert loader.stats.accounting.delivered == loader.num_elements == 45
    assert both[0] == both[1]


def test_a_loader_goes_on_where_another_stopped_with_another_batch_and_world(beton: Path) -> None:
    with Loader(settings(beton), 0, 1, encode) as whole, Loader(settings(beton), 0, 1, encode) as first:
        expected = [pair for batch in sequence([whole], 12) for pair in batch]
        found = [pair for batch in sequence([first], 4) for pair in batch]
        state = json.loads(json.dumps(first.state_dict()))
    others = [Loader(settings(beton, batch_size=8), rank, 2, encode) for rank in range(2)]
    for loader in others:
        loader.load_state_dict(state)
    found += [pair for batch in sequence(others, 4) for pair in batch]
    for loader in others:
        loader.close()
    assert sorted(found) == sorted(expected) and found[:16] == expected[:16]


def test_a_place_in_another_file_is_refused(beton: Path, tmp_path: Path) -> None:
    other = write_beton(tmp_path / "other.beton", numbered(23))
    with Loader(settings(beton), 0, 1, encode) as loader:
        state = loader.state_dict()
    with Loader(settings(other), 0, 1, encode) as loader, pytest.raises(CursorMismatch, match="fingerprint"):
        loader.load_state_dict(state)


def test_other_frames_with_the_same_layout_have_another_fingerprint(tmp_path: Path) -> None:
    samples = numbered(3)
    one = write_beton(tmp_path / "one.beton", samples)
    samples[1].frames[0, 0, 0, 0] ^= 1
    two = write_beton(tmp_path / "two.beton", samples)
    assert BetonReader("toy", str(one)).fingerprint != BetonReader("toy", str(two)).fingerprint


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("width > 8", {"b", "d"}),
        ("kind == 'stored' and num_frames == 1", {"c"}),
        ("codec == 'raw' and fps >= 3", {"d"}),
        ("key in ('a', 'c') or shard == '000001.tar'", {"a", "c", "d"}),
        ("num_records > 1 and duration >= 1", {"b"}),
        ("media_bytes > 300", {"b", "d"}),
    ],
)
def test_where_filters_by_the_facts_of_the_stored_frames(tmp_path: Path, where: str, left: set[str]) -> None:
    one = [{"caption": "x"}]
    frames = np.zeros((2, 6, 8, 3), np.uint8)
    wide = np.zeros((2, 6, 12, 3), np.uint8)
    samples = [
        Stored("a", frames, one, {}),
        Stored("b", wide, one * 2, {}),
        Stored("c", frames[:1], one, {}),
        Stored("d", wide, one, {}, "000001.tar", fps=4),
    ]
    path = write_beton(tmp_path / "x.beton", samples)
    with Loader(settings(path, {"where": where}, mode="eval"), 0, 1, _encode_stored(2)) as loader:
        found = {origin.key for batch in loader for origin, ok in zip(batch.origins, batch.valid, strict=True) if ok}
    assert found == left


def test_exclusion_lists_made_for_the_shards_hold_for_the_file(shards: Path, beton: Path, tmp_path: Path) -> None:
    listed = tmp_path / "bad.jsonl"
    listed.write_text('{"shard": "000000.tar", "key": "0003"}\n{"key": "0011"}\n{"dataset": "other", "key": "0001"}\n')
    both = []
    for path in (shards, beton):
        with Loader(settings(path, {"exclude": [str(listed)]}, mode="eval"), 0, 1, encode) as loader:
            both.append([pair for batch in loader for pair in seen(batch)])
    assert both[0] == both[1] and len(both[0]) == 45 - 2 - 3


def test_plans_choose_among_the_stored_frames(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(6, num_frames=5), num_frames=5)
    reader = BetonReader("toy", str(path), "sample")
    assert reader.index.facts(0) == MediaFacts("stored", "raw", 8, 6, 5, 2.0, 1.0)
    with Loader(settings(path, mode="eval", batch_size=6), 0, 1, _encode_stored(3)) as loader:
        (batch, *_) = list(loader)
    for frames, origin in zip(batch.frames, batch.origins, strict=True):
        stored = numbered(6, num_frames=5)[int(origin.key[1:])].frames
        np.testing.assert_array_equal(frames, stored[[0, 2, 4], :, 1:7])


def _encode_stored(num_frames: int) -> Callable[[Sample, RngFactory], EncodedClip]:
    config = ClipConfig(num_frames=num_frames, size=6, fit="center_crop")

    def encode_clip(sample: Sample, draw: RngFactory) -> EncodedClip:
        plan = plan_clip(sample.facts, config, draw("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, {}, {})

    return encode_clip


# ---------------------------------------------------------------- damage


def _damage(path: Path, what: str, row: int, number: int = 0) -> None:
    """Change a byte of the text or of a frame of one sample."""
    file = Beton(str(path))
    span = file.rows["text" if what == "text" else f"frame_{number}"][row]
    at = int(span["ptr"]) + 40 if what == "text" else int(span["data_ptr"]) + 5
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("mode", [RAW, JPG])
@pytest.mark.parametrize(("what", "stage"), [("text", "read"), ("frame", "decode")])
def test_a_damaged_sample_costs_itself(tmp_path: Path, mode: int, what: str, stage: str) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(9), mode=mode)
    _damage(path, what, 4)
    with Loader(settings(path, {"elements": "sample"}, mode="eval"), 0, 1, _encode_stored(2)) as loader:
        bad = [failure for batch in loader for failure in batch.failures]
        assert loader.stats.accounting.failed == 1 and loader.stats.accounting.delivered == 8
        assert loader.quarantined() == {"toy": {stage: 1}}
    assert [(failure.origin.shard, failure.origin.key) for failure in bad] == [("000001.tar", "k4")]
    assert "is damaged: checksum" in bad[0].reason
    with Loader(settings(path, {"elements": "sample"}), 0, 1, _encode_stored(2)) as loader:
        for _ in range(5):
            next(loader)
        assert loader.stats.accounting.substituted >= 1


def test_a_damaged_key_costs_its_sample_too(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(3))
    content = bytearray(path.read_bytes())
    content[int(Beton(str(path)).rows["key"][1]["ptr"])] = 0xFF
    path.unlink()
    path.write_bytes(content)
    bad, good = BetonReader("toy", str(path), "sample").fetch([0, 0], [1, 2])
    assert isinstance(bad, SampleError) and bad.origin.key == "\\xff1" and not isinstance(good, SampleError)


def test_checksums_are_compared_once_or_always_or_never(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(2))
    readers = {verify: BetonReader("toy", str(path), "sample", verify) for verify in ("once", "always", "never")}
    for reader in readers.values():
        assert not isinstance(reader.fetch([0], [1])[0], SampleError)
    span = readers["once"].file.rows["text"][1]
    with open(path, "r+b") as file:  # behind the reader's back, in the same file
        file.seek(int(span["ptr"]) + 40)
        file.write(b"\xff")
    found = {verify: isinstance(reader.fetch([0], [1])[0], SampleError) for verify, reader in readers.items()}
    assert found == {"once": False, "always": True, "never": False}


def test_a_shard_whose_first_sample_is_damaged_keeps_its_name(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(6))
    _damage(path, "text", 3)
    assert BetonReader("toy", str(path)).index.shards.names == ["000000.tar", "000001.tar"]
    for row in (4, 5):
        _damage(path, "text", row)
    with pytest.raises(DatasetError, match="all samples of shard 1 are damaged; export it again"):
        BetonReader("toy", str(path))


def test_a_json_that_does_not_fit_is_bad_data(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", [*numbered(2), numbered(1)[0]._replace(records=[])])
    content = bytearray(path.read_bytes())
    reader = BetonReader("toy", str(path), "sample", verify="never")
    (fetched,) = reader.fetch([0], [2])
    assert not isinstance(fetched, SampleError)
    with pytest.raises(SampleError, match=r"toy/000000\.tar:k0: has no text record"):
        reader.sample(reader.origin_of(0, 2), 0, fetched, lambda: np.random.default_rng(0))
    second = b', {"caption": "1-1"}]'
    content = content.replace(second, b"]".ljust(len(second)))
    path.unlink()
    path.write_bytes(content)
    reader = BetonReader("toy", str(path), "sample", verify="never")
    (fetched,) = reader.fetch([0], [1])
    assert not isinstance(fetched, SampleError)
    with pytest.raises(SampleError, match=r"k1: json has 1 records, the file says 2"):
        reader.sample(reader.origin_of(0, 1), 0, fetched, lambda: np.random.default_rng(0))


def test_a_shard_without_a_name_is_refused(tmp_path: Path) -> None:
    path = write_beton(tmp_path / "x.beton", numbered(2))
    content = bytearray(path.read_bytes().replace(b'"shard": "000000.tar"', b'"shard": 1234567890  '))
    path.unlink()
    path.write_bytes(content)
    file = Beton(str(path))
    begin = HEADER.itemsize + len(fields(2)) * DESCRIPTOR.itemsize
    rows = np.frombuffer(content, row_type(2), 2, begin)
    for row in range(2):
        spans = [map(int, file.rows[name][row]) for name in ("key", "text")]
        rows["text_sum"][row] = checksum(*(np.frombuffer(content, np.uint8, size, start) for start, size in spans))
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.beton: row 0: json should have 'shard' of type str; export it again"):
        BetonReader("toy", str(path))


def test_elements_that_do_not_exist_are_a_programming_error(beton: Path) -> None:
    reader = BetonReader("toy", str(beton))
    for shard, row in ((0, 10**6), (99, 0), (-1, 0), (0, -1)):
        with pytest.raises(IndexError, match="no element"):
            reader.fetch([shard], [row])


def test_configs_that_mix_up_the_sources_are_refused(beton: Path, shards: Path) -> None:
    with pytest.raises(ConfigError, match=r"toy\.beton is a \.beton file, which source: ffcv reads"):
        DatasetConfig(name="toy", path=str(beton))
    with pytest.raises(DatasetError, match="is a folder; source: ffcv reads one"):
        Loader(settings(shards, {"source": "ffcv"}), 0, 1, encode)
    with pytest.raises(DatasetError, match="copy it to a disk of this machine"):
        Loader(settings(Path("x.beton"), {"path": "s3://bucket/x.beton"}), 0, 1, encode)
