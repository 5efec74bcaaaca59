"""The same samples in the form that each system reads: made once per folder, by the systems themselves.

FOLDER/ours is a dataset of this project, plain WebDataset tars; `webdataset` and `spdl` read those tars as they are,
`energon` and `dali` want an index beside (links to) them, `mosaic` and `litdata` have formats of their own, written
with as many samples to a shard. The number of a sample stands in its text ("#000001234#").
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from peer_venvs import DEFAULT, python_of
from peers.protocol import Options
from store import Store

from shards import DatasetWriter, MediaFacts

SYSTEMS = ("ours", "webdataset", "spdl", "dali", "mosaic", "litdata", "energon")
READS_TARS = ("webdataset", "spdl")
PEERS = Path(__file__).resolve().parent / "peers"


def command(system: str, verb: str, options: Options, venvs: Path = DEFAULT) -> list[str]:
    """What to run to ask a system something."""
    return [python_of(system, venvs), str(PEERS / f"with_{system}.py"), verb, json.dumps(asdict(options))]


def tars(folder: Path) -> list[Path]:
    """The tars that all forms are made of."""
    return sorted((folder / "ours").glob("*.tar"))


def make(
    folder: Path,
    num_shards: int,
    per_shard: int,
    media_bytes: int,
    systems: Iterable[str] = SYSTEMS,
    pictures: bool = False,
    venvs: Path = DEFAULT,
) -> Path:
    """Write the dataset and every form of it that is missing; returns the folder."""
    if not (folder / "ours" / "dataset.json").exists():
        g = np.random.Generator(np.random.Philox(0))
        media = (_picture(g) if pictures else g.bytes(media_bytes) for _ in range(num_shards * per_shard))
        write(folder / "ours", media, per_shard)
    for system in systems:
        convert(folder, system, venvs)
    return folder


def convert(folder: Path, system: str, venvs: Path = DEFAULT) -> Path:
    """Where a system finds its form of the dataset, which is written if it is not there."""
    if system == "ours" or system in READS_TARS:
        return folder / "ours"
    out = folder / system
    done = folder / f"{system}.done"
    if not done.exists():
        shutil.rmtree(out, ignore_errors=True)
        options = Options(url=str(out), tars=[str(path) for path in tars(folder)])
        ran = subprocess.run(command(system, "convert", options, venvs), capture_output=True, text=True)
        if ran.returncode not in (0, -signal.SIGALRM):  # or it had answered and did not come to an end (answer.py)
            raise RuntimeError(f"{system} did not convert {folder}:\n{ran.stderr[-3000:]}")
        done.touch()
    return out


def remote(folder: Path, system: str, store: Store, scratch: Path) -> tuple[str, dict[str, str]]:
    """Where a system finds its form of FOLDER in a store of FOLDER's parent, and what it wants in its environment.

    `scratch` is a folder for files that it is configured by.
    """
    form = "ours" if system in READS_TARS else system
    bucket, env = folder.name, dict(store.env)
    if system in READS_TARS:
        return f"{store.url}/{bucket}/{form}", env
    if system == "energon":
        config = scratch / "msc.json"
        options = {"base_path": bucket, "region_name": "us-east-1", "endpoint_url": store.url}
        keys = {"access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"]}
        profile: dict[str, Any] = {
            "storage_provider": {"type": "s3", "options": options},
            "credentials_provider": {"type": "S3Credentials", "options": keys},
        }
        config.write_text(json.dumps({"profiles": {"bench": profile}}))
        return f"msc://bench/{form}", {**env, "MSC_CONFIG": str(config)}
    return f"s3://{bucket}/{form}", env


def index(folder: Path, media: bool = True) -> None:
    """Make our index of a folder of tars; media: of real media, which are opened."""
    ran = [sys.executable, "-m", "shards", "index", str(folder.resolve()), "--name", "bench", "--jobs", "1"]
    ran += [] if media else ["--no-media"]
    done = subprocess.run(ran, capture_output=True, text=True, cwd=PEERS.parent.parent)
    if done.returncode:
        raise RuntimeError(f"indexing {folder} failed:\n{done.stderr[-2000:]}")


def names(folder: Path) -> list[str]:
    """File names of the tars."""
    return [path.name for path in tars(folder)]


def shard_files(folder: Path, system: str) -> list[Path]:
    """The files that hold the samples in a system's form, in order."""
    if system == "mosaic":
        return sorted((folder / system).glob("shard.*.mds"))
    if system == "litdata":
        return sorted((folder / system).glob("chunk-*.bin"), key=lambda path: int(path.stem.split("-")[2]))
    return sorted((folder / ("ours" if system in READS_TARS else system)).glob("*.tar"))


def write(out: Path, media: Iterable[bytes], per_shard: int, size: tuple[int, int] = (64, 64)) -> None:
    """A dataset of ours of these pictures of a (width, height), numbered from 0."""
    facts = MediaFacts("image", "mjpeg", *size, 1)
    with DatasetWriter(out, "bench", per_shard, max_shard_bytes=1 << 40) as writer:
        for number, medium in enumerate(media):
            records: Sequence[dict[str, Any]] = [{"caption": f"#{number:09d}#" + "c" * 61}]
            writer.write(f"{number:09d}", medium, "jpg", records, {}, facts)


def _picture(g: np.random.Generator) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(g.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(out, "jpeg", quality=90)
    return out.getvalue()
