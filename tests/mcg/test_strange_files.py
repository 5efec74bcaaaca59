"""A download that is not what its name says is told for what it is, with what to do."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError
from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.engine.saving import describe
from mcg.engine.store.integrity import FileFacts
from mcg.engine.weights import read_weights
from mcg.strange_files import strange_kind

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 436410000\n" % (b"0" * 64)


def _npz() -> bytes:
    made = io.BytesIO()
    np.savez(made, a=np.ones(3))
    return made.getvalue()


def _script() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"traced/{name}", b"0")
    return made.getvalue()


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("model/pytorch_model.bin", b"0")
    return made.getvalue()


STRANGE = {
    "pointer": (POINTER, r"a git-lfs pointer for 436410000 bytes, not the file itself; run `git lfs pull`"),
    "html": (b"\n<!DOCTYPE html><html><body>Sign in", r"an HTML page, as a server sends .*; open the address"),
    "html without a head": (b"<html>\n404", r"an HTML page"),
    "xml": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        r"an XML answer of a server \(AccessDenied\)",
    ),
    "json": (b'{"error": "Repository not found"}', r"a JSON file, perhaps an error that a server sent"),
    "index": (b'{"weight_map": {"a": "b"}}', r"the index of weights in several files; give the folder"),
    "empty": (b"", r"an empty file \(0 bytes\); fetch it again"),
    "gzip": (gzip.compress(b"weights"), r"a gzip archive; unpack it"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), r"an HDF5 file"),
    "gguf": (b"GGUF\3\0\0\0" + bytes(64), r"a GGUF file"),
    "npz": (_npz(), r"an archive of NumPy arrays"),
    "zip": (_zip(), r"a zip archive; unpack it"),
    "text": (b"see https://example.org for the weights\n", r"a text file; fetch the weights themselves"),
}

OURS = {"script": (_script(), r"a TorchScript archive: a program .*, which is not run; `python -m mcg.convert` takes")}
"""Strange in a checkpoint of ours alone."""


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("file_name", ["model.safetensors", "pytorch_model.bin", "a.pth"])
def test_what_a_download_is_stands_in_the_error(tmp_path: Path, name: str, file_name: str) -> None:
    content, match = STRANGE[name]
    (tmp_path / file_name).write_bytes(content)
    with pytest.raises(ConvertError, match=rf"{file_name}: no file of weights: it is {match}") as refused:
        read_checkpoint(tmp_path / file_name)
    assert "weights_only" not in str(refused.value) and len(str(refused.value)) < 400


def test_weights_are_never_strange(tmp_path: Path) -> None:
    """Also where the length of their header, the first bytes of the file, spells something else."""
    for length in range(0x60, 0x180, 8):
        file = tmp_path / "a.safetensors"
        save_file({"a": torch.ones(1)}, file, metadata={"fill": "x" * length})
        header = int.from_bytes(file.read_bytes()[:8], "little")
        for start in (b"{", b"[", b"<", b"P"):
            wanted = header - header % 256 + 256 + start[0]
            save_file({"a": torch.ones(1)}, file, metadata={"fill": "x" * (length + wanted - header)})
            assert strange_kind(file) is None
    for newer in (True, False):
        torch.save({"a": torch.ones(1)}, tmp_path / "a.pth", _use_new_zipfile_serialization=newer)
        assert strange_kind(tmp_path / "a.pth") is None


@pytest.mark.parametrize("name", ["pointer", "html", "empty", "text", "script"])
def test_files_of_our_own_checkpoints_are_told_too(tmp_path: Path, name: str) -> None:
    content, match = (STRANGE | OURS)[name]
    (tmp_path / "checkpoint.json").write_bytes(content)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"checkpoint\.json: not readable: it is {match}"):
        find_checkpoint(tmp_path)
    describe(tmp_path, {"step": 1, "cursor": {}, "config": {}}, {"model.safetensors": FileFacts(1, "")})
    with pytest.raises(CheckpointError, match=rf"model\.safetensors: not readable: it is {match}"):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", ["[" * 3000, '{"a":' * 3000, '{"format": 1, "st', json.dumps({"format": 1})])
def test_a_checkpoint_json_that_is_json_or_nearly_is_told_as_such(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: not readable: .*; copy the checkpoint again"):
        find_checkpoint(tmp_path)
