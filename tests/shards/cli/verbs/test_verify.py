"""`verify` on real datasets, whole and damaged: exit codes, what is named, and the quarantine file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.tars.entries import Member
from tests.shards.row_groups import regroup
from tests.shards.small_dataset import write_dataset

ROOT = Path(__file__).resolve().parents[4]
RunJson = Callable[..., tuple[int, dict]]
MemberOf = Callable[[Path, int], Member]


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 16
    file.write_bytes(data)


def test_a_whole_dataset_has_no_problems(built: Path, run: Callable[..., Result]) -> None:
    result = run("verify", built, "--jobs", 2)
    assert result.exit_code == 0, result.output
    assert "checksums of shards and members" in result.stdout and not result.stderr


def test_the_counts_are_those_of_the_dataset(built: Path, run_json: RunJson) -> None:
    code, found = run_json("verify", built, "--decode")
    assert code == 0 and found["ok"] and found["verified"] and found["problems"] == []
    names = ("num_shards", "num_samples", "num_members", "num_records", "num_decoded", "num_bad_samples")
    assert [found[name] for name in names] == [3, 8, 16, 12, 8, 0]
    assert found["num_bytes"] == sum(shard.stat().st_size for shard in built.glob("*.tar"))


def test_quick_reads_no_content(built: Path, run_json: RunJson) -> None:
    code, found = run_json("verify", built, "--quick")
    assert code == 0 and found["num_bytes"] == 0 and found["num_members"] == 16


@pytest.mark.parametrize("quick", [[], ["--quick"]])
def test_a_remote_dataset_is_verified_too(memory_url: str, run_json: RunJson, quick: list[str]) -> None:
    code, found = run_json("verify", memory_url, *quick)
    assert code == 0 and found["num_members"] == 16 and found["url"] == memory_url


def test_a_flipped_bit_is_named_as_a_process_would_say_it(dataset: Path, tmp_path: Path, member_of: MemberOf) -> None:
    shard = dataset / "000001.tar"
    member = member_of(shard, 2)
    flip(shard, member.offset + member.size // 2)
    bad = tmp_path / "bad.jsonl"
    command = [sys.executable, "-m", "shards", "verify", str(dataset), "--quarantine", str(bad)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
    key, _, ext = member.name.partition(".")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"000001.tar:{key}: .{ext} checksum: expected " in done.stderr
    assert key in done.stdout and "shard checksum" in done.stdout
    lines = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(line["shard"], line["key"]) for line in lines] == [("000001.tar", key)]
    assert lines[0]["reason"].startswith(f".{ext} checksum: expected ")


def test_a_missing_shard_spoils_its_samples(dataset: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    (dataset / "000002.tar").unlink()
    result = run("verify", dataset, "--quarantine", tmp_path / "bad")
    assert result.exit_code == 1 and "000002.tar: shard: expected a file of" in result.stderr
    assert [json.loads(line)["key"] for line in (tmp_path / "bad").read_text().splitlines()] == [
        "coin_pen_mjpeg",
        "sk_coffee",
    ]


def test_the_rest_is_checked_when_one_shard_is_bad(dataset: Path, run_json: RunJson) -> None:
    (dataset / "000000.tar").unlink()
    size = (dataset / "000002.tar").stat().st_size
    with open(dataset / "000002.tar", "r+b") as file:
        file.truncate(size // 2)
    code, found = run_json("verify", dataset, "--jobs", 3)
    assert code == 1 and found["num_shards"] == 3
    assert {problem["shard"] for problem in found["problems"]} == {"000000.tar", "000002.tar"}
    assert found["num_bad_samples"] == 3 + 2


def test_a_replaced_shard_is_seen_even_when_sizes_agree(dataset: Path, run_json: RunJson) -> None:
    first, second = dataset / "000000.tar", dataset / "000001.tar"
    size = second.stat().st_size
    shutil.copyfile(first, second)
    with open(second, "r+b") as file:
        file.truncate(size)  # shorter, or longer by zeros, which a tar may have at its end
    for quick in ([], ["--quick"]):
        code, found = run_json("verify", dataset, *quick)
        assert code == 1 and found["num_bad_samples"] == 3
        assert {problem["shard"] for problem in found["problems"]} == {"000001.tar"}


def test_many_problems_are_counted_and_few_shown(tmp_path: Path, run: Callable[..., Result]) -> None:
    folder = write_dataset(tmp_path / "many", "many", 60, per_shard=60)
    shard = folder / "000000.tar"
    shard.write_bytes(bytes(shard.stat().st_size))
    result = run("verify", folder)
    assert result.exit_code == 1
    assert "... and " in result.stdout and " more" in result.stdout
    assert "the first of " in result.stderr


def test_an_index_without_checksums_says_so(dataset: Path, run: Callable[..., Result], run_json: RunJson) -> None:
    unverify(dataset)
    result = run("verify", dataset)
    assert result.exit_code == 0, result.output
    assert "the index has no checksums (made with --headers)" in result.stdout
    with open(dataset / "000001.tar", "r+b") as file:
        file.seek(512 * 2)
        file.write(bytes(1 << 20))
    code, found = run_json("verify", dataset)
    assert code == 1 and found["verified"] is False and found["num_bad_samples"] >= 1


def unverify(dataset: Path) -> None:
    """Make the index what `shards index --headers` gives: no checksums."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(dataset / "index.parquet")
    nulls = [[None] * len(sizes) for sizes in table.column("member_size").to_pylist()]
    number = table.schema.get_field_index("member_checksum")
    column = pa.array(nulls, pa.list_(pa.uint32()))
    pq.write_table(table.set_column(number, "member_checksum", column), dataset / "index.parquet")
    rows = pq.read_table(dataset / "shards.parquet").to_pylist()
    entries = [ShardEntry(row["shard"], row["num_samples"], row["num_elements"], row["bytes"], "") for row in rows]
    write_shards(str(dataset / "shards.parquet"), entries)
    content = json.loads(dataset_json("toy", entries, 0, {}))
    (dataset / "dataset.json").write_text(json.dumps({**content, "verified": False}))


def test_a_quarantine_file_that_cannot_be_written_is_wrong_usage(
    built: Path, tmp_path: Path, run: Callable[..., Result]
) -> None:
    result = run("verify", built, "--quarantine", tmp_path / "no" / "folder" / "bad.jsonl")
    assert result.exit_code == 2 and "bad.jsonl: cannot be written" in result.stderr


def test_a_quarantine_file_of_a_whole_dataset_is_empty(built: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    assert run("verify", built, "--quarantine", tmp_path / "bad.jsonl").exit_code == 0
    assert [file.name for file in tmp_path.iterdir()] == ["bad.jsonl"]
    assert (tmp_path / "bad.jsonl").read_bytes() == b""


def test_a_terminal_gets_a_bar_and_stdout_only_the_result(built: Path) -> None:
    terminal, inner = os.openpty()
    command = [sys.executable, "-m", "shards", "verify", str(built), "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=inner, env=environment)
    os.close(inner)
    shown = b""
    try:
        while data := os.read(terminal, 1 << 16):
            shown += data
    except OSError:
        pass  # the other end was closed
    os.close(terminal)
    assert process.stdout is not None
    assert json.loads(process.stdout.read())["ok"] is True
    assert process.wait(250) == 0 and b"verify" in shown and b"/s" in shown


def test_an_index_that_cannot_be_read_on_ends_the_checks_that_run(dataset: Path, run: Callable[..., Result]) -> None:
    import pyarrow.parquet as pq

    regroup(dataset, 1)
    keys = pq.ParquetFile(dataset / "index.parquet").metadata.row_group(2).column(1)
    data = bytearray((dataset / "index.parquet").read_bytes())
    data[keys.data_page_offset : keys.data_page_offset + 20] = bytes(20)
    (dataset / "index.parquet").write_bytes(data)
    result = run("verify", dataset, "--jobs", "1")
    assert result.exit_code == 1 and "index.parquet: row group 2" in result.stderr
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine")]


def test_quick_and_decode_exclude_each_other(built: Path, run: Callable[..., Result]) -> None:
    result = run("verify", built, "--quick", "--decode")
    assert result.exit_code == 2 and "choose one" in result.stderr
