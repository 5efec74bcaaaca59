"""Tensors come back from a file as safetensors itself reads them; its checksum is the file's."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from mcg.engine.store.integrity import FileFacts
from mcg.engine.store.tensor_file import write_tensors

TENSORS = {
    "bytes": torch.arange(7, dtype=torch.uint8),
    "wide": torch.randn(3, 5, dtype=torch.float64),
    "turned": torch.randn(4, 6).T,
    "half": torch.randn(3).to(torch.bfloat16),
    "scalar": torch.tensor(2.5),
    "none": torch.zeros(0, 4),
    "whole": torch.tensor([-(2**40), 3]),
    "flags": torch.tensor([True, False]),
}


def test_every_kind_of_tensor_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    facts = write_tensors(file, TENSORS, {"step": "7"})
    assert facts == FileFacts.of(file)
    found = load_file(file)
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"step": "7"}


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "a", TENSORS)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_no_file_can_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"a: x is torch\.sparse_coo of torch\.float32, which a safetensors file cannot"
    ):
        write_tensors(tmp_path / "a", {"x": torch.zeros(2).to_sparse()})


def test_a_limit_reached_in_the_middle_is_an_error(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_tensors(tmp_path / "a", {"x": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
