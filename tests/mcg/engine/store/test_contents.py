"""A copy in host memory is of its moment, and its room is used again."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from mcg.engine.store.contents import Content, Contents, HostCopy, Moment, write_contents
from mcg.engine.store.integrity import FileFacts


def _take(copy: HostCopy, contents: Contents) -> Contents:
    return copy.take(contents, Moment(contents))


def test_a_copy_does_not_follow_what_it_was_taken_from() -> None:
    weights, copy = torch.arange(4.0), HostCopy()
    taken = _take(copy, {"a": Content({"w": weights}, {"step": "1"})})
    weights += 1
    assert taken["a"].tensors["w"].tolist() == [0, 1, 2, 3] and taken["a"].metadata == {"step": "1"}
    room = taken["a"].tensors["w"].data_ptr()
    again = _take(copy, {"a": Content({"w": weights})})
    assert again["a"].tensors["w"].data_ptr() == room and again["a"].tensors["w"].tolist() == [1, 2, 3, 4]
    other = _take(copy, {"a": Content({"w": torch.zeros(2, 2)})})
    assert other["a"].tensors["w"].shape == (2, 2)


def test_a_copy_does_not_tie_what_shares_memory() -> None:
    both = torch.arange(6.0)
    taken = _take(HostCopy(), {"a": Content({"x": both[:3], "y": both[2:]})})
    assert taken["a"].tensors["x"].tolist() == [0, 1, 2] and taken["a"].tensors["y"].tolist() == [2, 3, 4, 5]


def test_the_same_numbers_are_copied_once() -> None:
    weight = torch.arange(6.0).view(2, 3)
    taken = _take(HostCopy(), {"a": Content({"w": weight}), "b": Content({"flat": weight.view(-1)})})
    assert taken["a"].tensors["w"].data_ptr() == taken["b"].tensors["flat"].data_ptr() != weight.data_ptr()
    assert taken["b"].tensors["flat"].shape == (6,)


def test_files_are_written_below_the_folder(tmp_path: Path) -> None:
    written = write_contents(tmp_path, {"a": Content({"x": torch.ones(2)}), "state/b": Content({"y": torch.ones(1)})})
    assert {name: FileFacts.of(tmp_path / name) for name in ("a", "state/b")} == written
    assert load_file(tmp_path / "state" / "b")["y"].tolist() == [1]
