"""The writer: plain tars, crash safety at every step, clear refusals, local and remote."""

from __future__ import annotations

import errno
import json
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from shards.base.errors import DatasetError, WriteError
from shards.dataset.writing.writer import DatasetWriter
from shards.read.reader import Reader
from tests.shards.dataset.writing.small_conversion import FACTS, NUM_ROWS, contents, convert
from tests.shards.fresh import FRESH, run_fresh


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    convert(tmp_path / "again")
    assert contents(tmp_path / "again") == uninterrupted


def test_shards_keep_both_limits(uninterrupted: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in uninterrupted.items():
        (tmp_path / name).write_bytes(data)
        if name.endswith(".tar"):
            # tar pads a file to a multiple of 10,240 bytes, which no content limit can undo
            assert len(data) <= 20_480
    shards = Reader("toy", str(tmp_path)).index.shards
    assert shards.num_samples.max() <= 10


def test_quarantine_file_lists_row_record_and_reason(uninterrupted: dict[str, bytes]) -> None:
    lines = [json.loads(line) for line in uninterrupted["quarantine.jsonl"].splitlines()]
    assert lines[0] == {"row": 6, "record": "record 6", "reason": "cannot be decoded"}
    assert [line["row"] for line in lines] == sorted(line["row"] for line in lines)
    assert all(line["record"] == f"record {line['row']}" for line in lines)


def test_a_dataset_of_no_samples_is_whole(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "none", "none") as writer:
        writer.quarantine("a", "bad")
    reader = Reader("none", str(tmp_path / "none"))
    assert (
        len(reader.counts) == 0 and json.loads((tmp_path / "none" / "dataset.json").read_text())["num_quarantined"] == 1
    )


def convert_killed_at(folder: Path, step: int, when: str) -> None:
    """A conversion that dies before or after so many renamings, if it has as many."""
    replace, calls = os.replace, iter(range(step))

    def dying(source: str, target: str) -> None:
        last = next(calls, None) is None
        if not (last and when == "before"):
            replace(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = dying  # type: ignore[assignment]
    convert(folder)


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.long)])
def test_killed_around_every_step_that_changes_the_folder_then_resumed(
    tmp_path: Path, uninterrupted: dict[str, bytes], when: str
) -> None:
    step = 0
    while True:
        folder = tmp_path / f"{when}{step}"
        if (code := run_fresh(convert_killed_at, folder, step, when)) == 0:
            break
        assert code == -signal.SIGKILL
        found = contents(folder)
        for name, data in found.items():
            if "/" not in name:  # whatever has its final name is whole
                assert data == uninterrupted[name], (step, name)
        if "dataset.json" in found:
            assert found.items() >= uninterrupted.items()
            with pytest.raises(DatasetError, match="holds a finished dataset already"):
                convert(folder)
        else:
            with pytest.raises(DatasetError, match="its conversion was not finished"):
                Reader("toy", str(folder))
            convert(folder)
        assert contents(folder) == uninterrupted, step
        step += 1
    assert step > 12


def convert_and_tell(folder: Path, pipe: Connection) -> None:
    """A conversion that sends the number of each row, and waits at the last one: else it might be done before it is
    killed."""

    def tell(row: int) -> None:
        pipe.send(row)
        if row == NUM_ROWS - 1:
            pipe.recv()

    convert(folder, tell)


@pytest.mark.parametrize("rows", [3, 29, 58])
def test_killed_from_outside_at_any_time_then_resumed(
    tmp_path: Path, uninterrupted: dict[str, bytes], rows: int
) -> None:
    parent, child = FRESH.Pipe()
    process = FRESH.Process(target=convert_and_tell, args=(tmp_path / "toy", child), daemon=True)
    process.start()
    while parent.recv() < rows:
        pass
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    started_at: list[int] = []
    summary = convert(tmp_path / "toy", started_at.append)
    assert summary.num_rows == NUM_ROWS
    assert rows < 10 or started_at[0] > 0
    assert contents(tmp_path / "toy") == uninterrupted


def test_an_exception_keeps_finished_shards_and_resumes(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    def fail(row: int) -> None:
        if row == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(tmp_path / "toy", fail)
    assert not (tmp_path / "toy" / "dataset.json").exists()
    assert not list((tmp_path / "toy").rglob("*.writing"))
    convert(tmp_path / "toy")
    assert contents(tmp_path / "toy") == uninterrupted


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    first = DatasetWriter(tmp_path / "toy", "toy")
    with pytest.raises(WriteError, match="toy: another process is writing this dataset"):
        DatasetWriter(tmp_path / "toy", "toy")
    first.abort()
    DatasetWriter(tmp_path / "toy", "toy").abort()


def test_a_failed_writer_refuses_further_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = DatasetWriter(tmp_path / "toy", "toy")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer.write("a", b"x", "mp4", [{"caption": ""}], {}, FACTS)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left"):
        writer.close()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="this writer is broken; make a new one"):
        writer.write("b", b"x", "mp4", [{"caption": ""}], {}, FACTS)
    assert not list(tmp_path.rglob("*.tar"))


def test_a_failure_caught_inside_the_block_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ValueError, match="this writer is broken"), DatasetWriter(tmp_path / "toy", "toy", 1) as writer:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(WriteError):
            writer.write("a", b"x", "mp4", [{"caption": ""}], {}, FACTS)
        monkeypatch.undo()
