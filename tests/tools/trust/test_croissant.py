"""The Croissant file of a dataset is valid, its files have their checksums, and its index can be read through it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from shards.cli import open_dataset
from shards.dataset import DatasetWriter
from shards.media import MediaFacts
from shards.storage import open_source
from tools.datasets.licences import licence_of
from tools.trust.croissant import CROISSANT_FILE, croissant, write_croissant


def test_a_build_writes_it_with_the_checksums_of_its_files(questions: Path) -> None:
    folder = questions / "train"
    told = json.loads((folder / CROISSANT_FILE).read_text())
    files = {one["@id"]: one for one in told["distribution"] if one["@type"] == "cr:FileObject"}
    assert set(files) == {"dataset.json", "shards.parquet", "index.parquet"}
    for name, one in files.items():
        content = (folder / name).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest() and one["contentSize"] == f"{len(content)} B"
    assert told["name"] == "msrvtt_qa" and told["license"] == licence_of("msrvtt_qa")
    assert "10 texts" in told["description"]


def test_a_licence_is_told_where_the_dataset_states_one(copy: Path) -> None:
    about = json.loads((copy / "dataset.json").read_text())
    about["licence"] = "CC-BY-4.0"
    (copy / "dataset.json").write_text(json.dumps(about))
    assert write_croissant(str(copy)) == f"{copy}/{CROISSANT_FILE}"
    assert json.loads((copy / CROISSANT_FILE).read_text())["license"] == "CC-BY-4.0"


def test_it_is_written_to_a_store(questions: Path) -> None:
    with DatasetWriter("memory://croissant/set", "far") as writer:
        writer.write("k", b"x", "png", [{"caption": "a"}], {}, MediaFacts("image", "png", 4, 4, 1))
    assert write_croissant("memory://croissant/set") == f"memory://croissant/set/{CROISSANT_FILE}"
    content = json.loads(open_source("memory://croissant/set").read(CROISSANT_FILE))
    (media,) = (one for one in content["recordSet"] if one["@id"] == "sample_media")
    assert content["name"] == "far" and media["field"][1]["dataType"] == "sc:ImageObject"


def test_a_dataset_without_samples_and_hostile_names_has_one(tmp_path: Path) -> None:
    DatasetWriter(tmp_path / "e", "empty").close()
    about = json.loads((tmp_path / "e/dataset.json").read_text())
    (tmp_path / "e/dataset.json").write_text(json.dumps({**about, "name": "</script>\x1b[31m\ud800"}))
    write_croissant(str(tmp_path / "e"))
    told = json.loads((tmp_path / "e" / CROISSANT_FILE).read_bytes())
    assert told["name"].startswith("</script>")


@pytest.mark.long  # mlcroissant takes seconds to load
def test_mlcroissant_finds_no_error_and_reads_the_index(questions: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(str(questions / "train" / CROISSANT_FILE))  # raises for what is not valid
    assert not dataset.metadata.ctx.issues.errors
    keys = [record["index/key"].decode() for record in dataset.records("index")]
    assert keys == list(open_dataset(str(questions / "train")).index.rows(0).keys)
    empty = croissant(open_dataset(str(questions / "val")).index)
    assert not mlcroissant.Dataset(empty).metadata.ctx.issues.errors
