"""Exports: the file holds what the decoder gives for the shards; accounts, refusals, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import ConversionError
from shards.dataset.writing.writer import DatasetWriter
from shards.loader.config import LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.read.beton import ALLOCATION, DESCRIPTOR, HEADER, VERSION, Beton, fields, row_type
from shards.read.sample import Sample
from tests.tools.commands.command_line import invoke
from tests.tools.ffcv.conftest import BROKEN, ROOT, SIZE
from tools.ffcv.export import export

pytestmark = pytest.mark.usefixtures("ffcv")


def loader(path: Path, config: ClipConfig, **fields: Any) -> Loader:
    def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
        plan = plan_clip(sample.facts, config, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, {}, {"record": sample.record, **sample.meta})

    source = "ffcv" if path.suffix == ".beton" else "shards"
    dataset = {"name": "toy", "path": str(path), "source": source}
    settings = {"blend": [dataset], "batch_size": 2, "mode": "eval", "streams": 2, **fields}
    return Loader(LoaderConfig.model_validate(settings), 0, 1, encode)


def clips(batches: Loader) -> dict[str, np.ndarray]:
    """What is told of an element -> its frames."""
    return {
        json.dumps(meta): frames
        for batch in batches
        for frames, meta, is_valid in zip(batch.frames, batch.meta, batch.valid, strict=True)
        if is_valid
    }


def test_a_loader_gives_the_frames_that_the_decoder_gives_for_the_shards(shards: Path, exported: Path) -> None:
    config = ClipConfig(num_frames=6, size=96, fit="center_crop")
    with loader(shards, config) as original, loader(exported, config) as stored:
        expected, found = clips(original), clips(stored)
    assert found.keys() == expected.keys() and len(found) == 7
    for meta, frames in found.items():
        if exported.stem == "raw":
            np.testing.assert_array_equal(frames, expected[meta])
        else:  # of JPEG at quality 90, with colours at half the size
            assert np.abs(frames.astype(int) - expected[meta]).mean() < 5


def test_the_facts_are_those_of_the_stored_frames(shards: Path, exported: Path) -> None:
    from shards.read.beton_reader import BetonReader
    from shards.read.reader import Reader

    stored, original = BetonReader("toy", str(exported), "sample"), Reader("toy", str(shards), "sample")
    for shard, row, beton_row in ((0, 0, 0), (1, 1, 3)):
        was, now = original.index.rows(shard).facts(row), stored.index.facts(beton_row)
        assert (now.kind, now.num_frames, min(now.width, now.height)) == ("stored", 6, 96)
        assert now.duration == was.duration and now.fps == pytest.approx(was.fps * 6 / was.num_frames)
        times = json.loads(stored.file.text(beton_row))["times"]
        middles = [(2 * i + 1) * was.num_frames // 12 / was.fps + was.start_time for i in range(6)]
        assert times == pytest.approx(middles) and now.start_time == times[0]
    picture = stored.index.facts(4)
    assert (picture.num_frames, picture.fps) == (1, 0.0)
    assert stored.index.shards.names == original.index.shards.names


def test_what_failed_is_filed_as_an_exclusion_list(shards: Path, exported: Path) -> None:
    listed = Path(f"{exported}.quarantine.jsonl")
    (line,) = map(json.loads, listed.read_text().splitlines())
    where = {name: line[name] for name in ("dataset", "shard", "key", "stage")}
    assert where == {"dataset": "toy", "shard": "000002.tar", "key": "bad", "stage": "decode"}
    config = ClipConfig(num_frames=6, size=96, fit="center_crop")
    dataset = {"name": "toy", "path": str(shards), "exclude": [str(listed)]}
    with loader(shards, config, blend=[dataset]) as rest:
        assert rest.num_elements == 7


def test_the_same_export_gives_the_same_bytes(shards: Path, exported: Path, tmp_path: Path) -> None:
    assert (
        invoke("export-ffcv", shards, tmp_path / "y.beton", *SIZE, "--mode", exported.stem, "--jobs", "3").exit_code
        == 0
    )
    assert (tmp_path / "y.beton").read_bytes() == exported.read_bytes()


# ---------------------------------------------------------------- ffcv itself


def test_the_layout_is_that_of_ffcv(exported: Path) -> None:
    from ffcv.fields import BytesField, FloatField, IntField, JSONField, RGBImageField
    from ffcv.types import (
        ALLOC_TABLE_TYPE,
        CURRENT_VERSION,
        TYPE_ID_HANDLER,
        FieldDescType,
        HeaderType,
        get_metadata_type,
    )

    kinds = {"float": FloatField, "int": IntField, "picture": RGBImageField, "bytes": BytesField, "json": JSONField}
    expected = fields(Beton(str(exported)).num_frames)  # it refuses a file of other type numbers
    described = np.fromfile(exported, DESCRIPTOR, len(expected), offset=HEADER.itemsize)
    assert [TYPE_ID_HANDLER[number] for number in described["type_id"]] == [kinds[kind] for kind in expected.values()]
    assert (HeaderType, ALLOC_TABLE_TYPE, CURRENT_VERSION) == (HEADER, ALLOCATION, VERSION)
    places = [(DESCRIPTOR.fields[name][1], DESCRIPTOR[name].itemsize) for name in DESCRIPTOR.names]
    assert places == [(FieldDescType.fields[name][1], FieldDescType[name].itemsize) for name in FieldDescType.names]
    ours, theirs = row_type(3), get_metadata_type([kinds[kind]() for kind in fields(3).values()])
    assert ours.itemsize == theirs.itemsize
    assert [ours.fields[name] for name in ours.names] == [theirs.fields[name] for name in theirs.names]


def test_ffcv_reads_the_file(exported: Path) -> None:
    from ffcv.reader import Reader

    theirs, ours = Reader(str(exported)), Beton(str(exported))
    assert (theirs.num_samples, len(theirs.handlers)) == (5, len(fields(6)))
    for ffcv_name, name in zip(theirs.metadata.dtype.names, fields(6), strict=True):
        np.testing.assert_array_equal(theirs.metadata[ffcv_name], ours.rows[name])
    assert len(theirs.alloc_table) == 5 * 8


THEIRS = """
import sys
sys.path.insert(0, {root!r})
from ffcv.loader import Loader, OrderOption
from ffcv.reader import Reader
from shards.read.beton import Beton
wanted = ["frame_0", "frame_5", "fps"]
pipelines = {{name: None for name in Reader({path!r}).field_names if name not in wanted}}
order = OrderOption.SEQUENTIAL
batches = Loader({path!r}, batch_size=1, num_workers=1, order=order, os_cache=True, pipelines=pipelines)
(fps, first, last), = [[field.numpy() for field in batch] for batch in batches]
ours = Beton({path!r})
assert (first[0] == ours.frame(0, 0)).all() and (last[0] == ours.frame(0, 5)).all() and fps[0] == ours.rows["fps"][0]
print("same")
"""


@pytest.mark.long  # it compiles its loops
def test_the_loader_of_ffcv_gives_the_same_frames(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.beton"
    export(str(shards), str(path), num_frames=6, short_side=96, where="key == 'v0'")
    script = THEIRS.format(root=str(ROOT), path=str(path))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout) == (0, "same\n"), done.stderr


# ---------------------------------------------------------------- the end of a process

LEAVE_EARLY = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.tools.ffcv.test_export import ClipConfig, loader
batches = loader(Path({path!r}), ClipConfig(num_frames=2, size=64, fit="random_crop"), mode="train", threads=4)
for number, batch in enumerate(batches):
    if number == 2:
        break
assert not {{"ffcv", "numba", "cv2", "torch"}} & set(sys.modules), "reading needs none of them"
print("left")
"""


def test_a_loop_that_is_left_early_ends_its_process_cleanly(exported: Path) -> None:
    script = LEAVE_EARLY.format(root=str(ROOT), path=str(exported))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr


# ---------------------------------------------------------------- refusals


def test_nothing_usable_is_an_error_with_the_first_reasons(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        writer.write("bad", b"no video", "mp4", [{"caption": "x"}], {}, BROKEN)
    with pytest.raises(ConversionError, match=r"none of its 1 rows gave .* toy/000000\.tar:bad: not a video"):
        export(str(tmp_path / "toy"), str(tmp_path / "x.beton"), num_frames=6, short_side=96)
    assert not (tmp_path / "x.beton").exists()


def test_a_finished_export_run_again_has_nothing_to_do(shards: Path, exported: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in exported.parent.iterdir()}
    mode = exported.stem
    again = invoke("export-ffcv", shards, exported, *SIZE, "--mode", mode)
    assert again.exit_code == 0 and "nothing to do: " in again.stdout
    told = json.loads(invoke("export-ffcv", shards, exported, *SIZE, "--mode", mode, "--json").stdout)
    assert told["finished_before"] and (told["num_rows"], told["num_samples"], told["num_quarantined"]) == (6, 5, 1)
    assert (told["num_records"], told["frames"], told["quarantined"]) == (7, 25, {"decode": 1})
    assert {path.name: path.read_bytes() for path in exported.parent.iterdir()} == before
    others: tuple[list[str], ...] = (["--mode", "raw" if mode == "jpg" else "jpg"], ["--where", "duration > 0"])
    for other in (*others, ["--mode", mode, "--num-frames", "5"], ["--mode", mode, "--short-side", "80"]):
        refused = invoke("export-ffcv", shards, exported, *SIZE, "--mode", mode, *other)
        assert refused.exit_code == 2 and "is there already; remove it" in refused.stderr, other
