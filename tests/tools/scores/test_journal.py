"""The journal: what was written is there after a kill, a torn line is done again, other settings are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import ConversionError
from tools.rows import OptionError
from tools.scores.journal import open_journal
from tools.scores.work import Chunk, Failure, Scored

SETTINGS = {"dataset": "toy", "frames": 4, "scorers": {"blur": {}}}
CHUNKS = [
    Scored(
        Chunk(shard, first, first + 2),
        [(f"{shard}-{first}é", {"x": first / 3}), ("k", {})],
        [Failure(first + 1, "read", "cut")],
    )
    for shard, first in ((1, 0), (0, 2), (0, 0))
]


def write(path: Path) -> None:
    with open_journal(str(path)) as journal:
        journal.go_on(SETTINGS)
        for scored in CHUNKS:
            journal.add(scored)


def test_chunks_come_back_in_the_order_of_the_index(tmp_path: Path) -> None:
    write(tmp_path / "j")
    with open_journal(str(tmp_path / "j")) as journal:
        journal.go_on(SETTINGS)
        assert list(journal.chunks()) == sorted(CHUNKS)
        assert CHUNKS[0].chunk in journal and Chunk(5, 0, 2) not in journal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(share=st.floats(0, 1))
def test_a_journal_cut_anywhere_goes_on_with_its_whole_lines(tmp_path: Path, share: float) -> None:
    write(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    cut = whole[: int(len(whole) * share)]
    (tmp_path / "j").write_bytes(cut)
    with open_journal(str(tmp_path / "j")) as journal:
        journal.go_on(SETTINGS)
        left = [scored for scored in CHUNKS if scored.chunk in journal]
        assert len(left) == max(0, cut.count(b"\n") - 1)
        for scored in CHUNKS:
            if scored.chunk not in journal:
                journal.add(scored)
        assert list(journal.chunks()) == sorted(CHUNKS)
    assert (tmp_path / "j").read_bytes() == whole
    (tmp_path / "j").unlink()


def test_other_settings_and_other_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "j")
    with (
        open_journal(str(tmp_path / "j")) as journal,
        pytest.raises(OptionError, match=r"frames 4, now 8\); remove that"),
    ):
        journal.go_on({**SETTINGS, "frames": 8})
    (tmp_path / "j").write_text('{"a": 1}\n')
    with open_journal(str(tmp_path / "j")) as journal, pytest.raises(OptionError, match="was made with other settings"):
        journal.go_on(SETTINGS)


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    with (
        open_journal(str(tmp_path / "j")),
        pytest.raises(ConversionError, match="another process is writing it"),
        open_journal(str(tmp_path / "j")),
    ):
        pass
