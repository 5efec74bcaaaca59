"""All pairs on any number of ranks, and the candidates that re-ranking fuses."""

from __future__ import annotations

import json
import multiprocessing
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest

from mcg.scoring.evaluate import evaluate
from mcg.tasks.retrieval import Retrieval
from tests.forked import run_ranks
from tests.mcg import small_t2vlp
from tests.mcg.failing_retrieval import end_in_the_middle
from tests.mcg.small_retrieval import CPU, make_retrieval, score_each, score_on_a_rank, split_of, write_captions
from tests.mcg.small_t2vlp import make_t2vlp


def test_of_a_video_no_more_is_kept_than_fusion_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kept = make_t2vlp(), []
    fields = {"ranking": "rerank", "rerank_by": "product", "rerank_depth": 3, "max_text_tokens": 24}
    task = Retrieval(make_retrieval(**fields).config, small_t2vlp.TEXTS)
    fuse = model.fuse
    monkeypatch.setattr(model, "fuse", lambda text, video: (kept.append(video), fuse(text, video))[1])
    scores = evaluate(task, model, split_of(write_captions(tmp_path / "gray")), CPU)
    assert model.encode_video(small_t2vlp.frames()).parts is not None
    assert all(video.parts is None and video.tokens_BVD.shape[1:] == (1 + 2 + 3, 16) for video in kept)
    assert sum(len(video.mask_BV) for video in kept) == scores.metrics["pairs_fused"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("world", [2, 3])
def test_ranks_score_every_pair_once_as_one_process_does(tmp_path: Path, world: int) -> None:
    expected = score_each(write_captions(tmp_path / "gray"))
    run_ranks(score_on_a_rank, (world, str(tmp_path)), world)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world)]
    for ranking, one in expected.items():
        chunks = [chunk for found in ranks for chunk in found[ranking]["chunks"]]
        passed = Counter(pair for chunk in chunks for pair in chunk)
        # a rank that has no pair left goes along with the others' last passes, with some pair alone
        alone, fused = sum(len(chunk) == 1 for chunk in chunks), one["metrics"]["pairs_fused"]
        assert fused <= passed.total() <= fused + alone and passed.total() - len(passed) <= alone
        assert not ranking.startswith("matching") or len(passed) == 70
    for found in ranks:
        for ranking, one in expected.items():
            other = found[ranking]
            assert other["metrics"]["pairs_fused"] == one["metrics"]["pairs_fused"]
            places = {(p["direction"], p["id"]): p["places"] for p in one["predictions"]}
            assert {(p["direction"], p["id"]): p["places"] for p in other["predictions"]} == places
            assert other["metrics"] == one["metrics"]
            for name in ("R1", "R5", "R10", "mean_place"):
                assert other["metrics"]["text_to_video"][name] == one["metrics"]["text_to_video"][name]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("ending", "how"), [(1, "memory"), (0, "memory"), (1, "killed")])
def test_a_rank_that_ends_in_the_middle_of_the_pairs_ends_all(tmp_path: Path, ending: int, how: str) -> None:
    write_captions(tmp_path / "gray")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["deepspeed", "tests.mcg.failing_retrieval"])
    arguments = [(rank, port, str(tmp_path), ending, how) for rank in (0, 1)]
    ranks = [context.Process(target=end_in_the_middle, args=one) for one in arguments]
    for rank in ranks:
        rank.start()
    try:
        for rank in ranks:
            rank.join(120)
        said = [(tmp_path / f"{number}.err").read_text() for number in (0, 1)]
        left = ranks[1 - ending]
        assert (ranks[ending].exitcode, left.exitcode) == (-signal.SIGKILL if how == "killed" else 1, 1), said
    finally:
        for rank in ranks:
            rank.kill()
            rank.join()
    (line,) = [line for line in said[1 - ending].splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: rank {ending} of 2 ({socket.gethostname()}, pid {ranks[ending].pid}): "), line
    assert f"rank {1 - ending} (" in line and "matching pair " in line
    if how == "memory":
        assert "ended by TrainingFailed: the memory of the GPU is full" in line
        (own,) = [line for line in said[ending].splitlines() if line.startswith("error: ")]
        assert "task.pairs_at_once" in own and "Traceback" not in said[ending]
