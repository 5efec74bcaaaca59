"""Tars as other tools make them are read with the options of docs/foreign_tars.md, by index, loader and verify."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from shards.cli.app import app
from shards.read.reader import Reader
from tests.shards.foreign_tars import Files, write_tar

PAGE = (Path(__file__).parents[2] / "docs" / "foreign_tars.md").read_text(encoding="utf-8")
TURNS = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
CHAT = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A cat."}]


def pair(fields: object, key: str = "0", medium: str = "jpg") -> Files:
    return [(f"{key}.{medium}", b"medium"), (f"{key}.json", json.dumps(fields).encode())]


LAYOUTS: dict[str, tuple[Files, str, list[str]]] = {
    "img2dataset": ([*pair({"url": "u", "caption": "a", "similarity": float("nan")}), ("0.txt", b"a")], "", ["a"]),
    "open_clip": ([("0.webp", b"medium"), ("0.txt", b"a")], "", ["a"]),
    "video2dataset": (
        [
            ("0.jpg", b"thumb"),
            ("0.mp4", b"medium"),
            ("0.m4a", b"x"),
            ("0.json", b'{"clips": [[0, 1]]}'),
            ("0.txt", b"a"),
        ],
        "",
        ["a"],
    ),
    "MSR-VTT": (pair({"captions": ["a", "b"]}, medium="mp4"), "", ["a", "b"]),
    "objects with `caption`": (pair([{"caption": "a"}, {"caption": "b"}], medium="mp4"), "", ["a", "b"]),
    "LLaVA": (pair({"id": "0", "image": "0.jpg", "conversations": TURNS}), "", ["A cat."]),
    "chat formats": (pair({"conversations": CHAT}), "", ["A cat."]),
    "under `messages`": (pair({"messages": CHAT}), "--text-field messages", ["A cat."]),
    "LAION-COCO": (pair({"top_caption": "a", "all_captions": ["b"]}), "--text-field top_caption", ["a"]),
    "Recap-DataComp": (pair({"re_caption": "a", "caption": "b"}), "--text-field re_caption", ["a"]),
    "VATEX": (pair({"enCap": ["a", "b"], "chCap": ["c"]}), "--text-field enCap", ["a", "b"]),
    "ShareGPT4Video": (
        pair({"captions": [{"idx": 1, "content": "a"}, {"idx": 2, "content": "b"}]}),
        "--text-field captions.content",
        ["a", "b"],
    ),
    "COCO": (pair({"sentences": [{"raw": "a", "tokens": ["a"]}]}), "--text-field sentences.raw", ["a"]),
    "InternVid": (
        pair({"Caption": "a"}, "abc_0.0_10.5", "mp4"),
        "--key-until last_dot --text-field Caption",
        ["a"],
    ),
    "input and output": (
        [("0.input.jpg", b"medium"), ("0.outputs.txt", b"a")],
        "--media-members input.jpg --text-members outputs.txt",
        ["a"],
    ),
    "a file of their own": ([("0.jpg", b"medium"), ("0.caption.txt", b"a")], "--text-members caption.txt", ["a"]),
    "folders by kind": ([("images/0.jpg", b"medium"), ("texts/0.txt", b"a")], "--key-from name", ["a"]),
}


@pytest.mark.parametrize("tool", LAYOUTS)
def test_the_options_of_the_page_make_it_usable(tmp_path: Path, tool: str) -> None:
    assert tool in PAGE
    files, options, captions = LAYOUTS[tool]
    assert options in PAGE
    write_tar(tmp_path / "d" / "0.tar", files)
    url = str(tmp_path / "d")

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    report = run("index", url, *shlex.split(options), "--no-media", "--jobs", "1")
    assert (report["num_samples"], report["num_records"], report["num_quarantined"]) == (1, len(captions), 0)
    reader = Reader("d", url)
    samples = [reader.read(0, row, np.random.default_rng(0)) for row in range(len(captions))]
    assert [sample.record["caption"] for sample in samples] == captions
    assert {sample.media for sample in samples} == {b"medium"}
    assert run("verify", url)["num_records"] == len(captions)
    [listed] = run("ls", url, "--records")["samples"]
    assert [record["caption"] for record in listed["records"]] == captions
    done = CliRunner().invoke(app, ["index", url, "--no-media", "--jobs", "1"])
    if done.exit_code:  # without the options it is not used, and the reason names the first that is needed
        assert all(option in done.stderr for option in options.split()[:2])
    else:
        assert not options or tool == "Recap-DataComp"
