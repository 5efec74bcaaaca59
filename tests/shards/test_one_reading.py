"""`shards index` reads every byte of a tar once, and from it makes checksums, records, media facts and GOP tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.index.index import Index
from shards.storage.open import open_source
from tests.servers.proxy import FaultProxy
from tests.shards.foreign_tars import SAMPLES, caption, write_tar

VIDEOS = sorted((SAMPLES / "videos").glob("*.mp4"), key=lambda path: path.stat().st_size)[-4:]


def write_tars(folder: Path) -> list[Path]:
    """Two tars of four videos with captions."""
    tars = []
    for shard in range(2):
        files = [
            (f"{number}{ext}", data)
            for number, path in enumerate(VIDEOS)
            for ext, data in ((".mp4", path.read_bytes()), (".txt", caption(str(number)).encode()))
        ]
        tars.append(write_tar(folder / f"{shard}.tar", files))
    return tars


def check(index: Index, tars: list[Path]) -> None:
    """Everything is in the index."""
    assert index.verified and index.dataset["num_elements"] == index.dataset["num_samples"] == 8
    for shard, tar in enumerate(tars):
        data = tar.read_bytes()
        assert index.shards.checksums[shard] == xxhash.xxh3_128_hexdigest(data)
        for row in range(4):
            medium = index.rows(shard).medium(row)
            assert medium is not None and medium.checksum is not None
            assert index.rows(shard).facts(row).num_frames > 1
            table = index.gop_table(shard, row)
            assert table is not None and table.frames


def run(*words: object) -> None:
    done = CliRunner().invoke(app, ["index", *map(str, words), "--jobs", "1"])
    assert done.exit_code == 0, done.output


def read_by_this_process() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process reads")
def test_a_local_tar_is_read_once(tmp_path: Path) -> None:
    tars = write_tars(tmp_path / "v")
    run(tmp_path / "v", "--out", tmp_path / "warm-up")  # imports read files, too
    before = read_by_this_process()
    run(tmp_path / "v", "--out", tmp_path / "index")
    read = read_by_this_process() - before
    size = sum(tar.stat().st_size for tar in tars)
    # Beyond the tars: their headers, 512 bytes a member, and the records of a few kB that become the index.
    assert size <= read < 1.02 * size + (1 << 17)
    check(Index.open(open_source(tmp_path / "index")), tars)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["s3_server", "rgw"])
def test_a_tar_on_s3_is_read_once(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest, use_s3: Callable[..., None]
) -> None:
    server: Any = request.getfixturevalue(kind)
    tars = write_tars(tmp_path / "v")
    for tar in tars:
        server.client().upload_file(str(tar), server.bucket, f"once/{tar.name}")
    with FaultProxy(server.address) as proxy:
        use_s3(server, endpoint=proxy.endpoint)
        run(f"s3://{server.bucket}/once", "--out", tmp_path / "index")
        read = {tar.name: 0 for tar in tars}
        for line in proxy.log():
            name = line.path.partition("?")[0].rpartition("/")[2]
            if line.method == "GET" and name in read:
                read[name] += line.sent
        check(Index.open(open_source(tmp_path / "index")), tars)
    assert read == {tar.name: tar.stat().st_size for tar in tars}
