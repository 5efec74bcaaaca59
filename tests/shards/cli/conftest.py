"""A real dataset of samples/ for the verbs, ways to damage it, and the command line as a function."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.tars.entries import Member
from shards.dataset.tars.tar import scan
from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FILES = (
    *("images/cv_left05.jpg", "images/sk_horse.png", "images/sintel_walk_still.webp", "images/bbb_grass.gif"),
    *("videos/sintel_alley.mp4", "videos/bbb_bird.mp4", "videos/coin_pen_mjpeg.avi", "images/sk_coffee.jpg"),
)
HOSTILE_KEY = "<script>alert(1)</script>"
HOSTILE_CAPTION = '"><script>alert("caption")</script> \x1b[31mred [bold]markup[/bold]'


def write_samples(url: str, per_shard: int = 3) -> None:
    """Eight samples of samples/ in three shards; sample i has 1 + i % 2 captions; one has a hostile key and caption."""
    with DatasetWriter(url, "toy", samples_per_shard=per_shard) as writer:
        for number, name in enumerate(FILES):
            media = (SAMPLES / name).read_bytes()
            stem, ext = name.rpartition("/")[2].split(".")
            captions = [{"caption": f"{stem}, told {record} times"} for record in range(1 + number % 2)]
            if number == 1:
                stem, captions[0] = HOSTILE_KEY, {"caption": HOSTILE_CAPTION}
            writer.write(stem, media, ext, captions, {"number": number}, probe(media, name))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset, not to be changed."""
    folder = tmp_path_factory.mktemp("verbs") / "toy"
    write_samples(str(folder))
    return folder


@pytest.fixture
def dataset(built: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "toy"))


@pytest.fixture
def memory_url(built: Path) -> Iterator[str]:
    """The same dataset in a store that fsspec reaches."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for file in built.iterdir():
        store.pipe_file(f"/{built.parent.name}/{file.name}", file.read_bytes())
    yield f"memory://{built.parent.name}"
    store.rm(f"/{built.parent.name}", recursive=True)


@pytest.fixture
def run() -> Callable[..., Result]:
    """run("verify", path, ...) -> what the command line answers."""

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., tuple[int, dict]]:
    """run_json("verify", path, ...) -> (exit code, the one JSON object on stdout)."""

    def invoke(*arguments: object) -> tuple[int, dict]:
        result = run(*arguments, "--json")
        assert result.stdout.count("\n") == 1, result.output
        return result.exit_code, json.loads(result.stdout)

    return invoke


@pytest.fixture
def member_of() -> Callable[[Path, int], Member]:
    """member_of(shard, number) -> the member with this number."""
    return lambda shard, number: scan(shard)[number]
