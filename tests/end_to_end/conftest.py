"""A tiny dataset of moving shapes, built by the tools as a user would."""

from __future__ import annotations

import sys

import pytest

from tests.end_to_end.small_runs import PRETRAIN, QUESTIONS, Runs, call


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """60 captioned clips in 5 shards, 24 clips with questions in 2."""
    folder = tmp_path_factory.mktemp("end_to_end")
    for text, num_clips in (("captions", 60), ("questions", 24)):
        what = ["--split", "train", "--text", text, "--num-clips", str(num_clips), "--samples-per-shard", "12"]
        done = call([sys.executable, "-m", "tools", "build", "shapes", *what, "--out", str(folder / "data" / text)])
        assert done.returncode == 0, done.stderr
    (folder / "pretrain.yaml").write_text(PRETRAIN)
    (folder / "questions.yaml").write_text(QUESTIONS)
    return Runs(folder / "data", folder)
