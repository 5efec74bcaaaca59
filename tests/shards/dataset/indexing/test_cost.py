"""The cost that is told before a run is what it then reads."""

from __future__ import annotations

import os
from pathlib import Path

from shards.dataset.indexing.cost import Cost, Step
from shards.dataset.indexing.indexer import index_tars
from tests.shards.dataset.indexing.indexed import HEADERS, MEDIA
from tests.shards.foreign_tars import img2dataset_files, video2dataset_files, write_tar
from tests.shards.http_store import HttpStore


def test_the_cost_is_known_before_and_every_step_counts_towards_it(tars: Path) -> None:
    costs: list[Cost] = []
    steps: list[Step] = []
    sizes = [path.stat().st_size for path in sorted(tars.iterdir())]
    (tars / "00001.tar").write_bytes(b"no tar" * 100)
    index_tars(str(tars), looks=MEDIA, on_start=costs.append, on_tar=steps.append)
    assert costs == [Cost(3, 0, sizes[0] + 600 + sizes[2], 0, "")]
    assert [(step.tars, step.of_tars) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert steps[-1].bytes == costs[0].bytes and ["no tar" not in step.problem for step in steps] == [True] * 3
    assert [bool(step.problem) for step in steps] == [False, True, False]
    index_tars(str(tars), looks=MEDIA, on_start=costs.append)
    assert costs[1] == Cost(1, 2, 600, 0, "")
    index_tars(str(tars), looks=HEADERS, on_start=costs.append)
    assert costs[2].tars == 3 and costs[2].again == (
        f"the index at {tars} has checksums and has media facts (without --no-media they are kept)"
    )


def test_requests_to_a_store_are_those_that_were_told(tmp_path: Path) -> None:
    files = [*video2dataset_files(["a"]), ("b.mp4", os.urandom(20 << 20)), ("b.txt", b"x")]
    large = write_tar(tmp_path / "0.tar", files).read_bytes()
    small = write_tar(tmp_path / "1.tar", img2dataset_files(["a"])).read_bytes()
    costs: list[Cost] = []
    with HttpStore().running() as store:
        store.files |= {"/far/0.tar": large, "/far/1.tar": small}

        def start(cost: Cost) -> None:
            costs.append(cost)
            store.requests.clear()

        report = index_tars(f"{store.url}/far/{{0..1}}.tar", str(tmp_path / "i"), looks=MEDIA, on_start=start)
        gets = [path for method, path, _ in store.requests if method == "GET"]
    assert (report.num_samples, report.num_quarantined) == (2, 1), "what is no video is quarantined"
    assert costs[0].bytes == len(large) + len(small) and len(gets) == 3 + 1
    assert costs[0].requests == len(gets) + 2 * 2, "the state of a tar is asked for before and after"
