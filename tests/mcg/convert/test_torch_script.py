"""Of a TorchScript archive the weights are taken, as its own state_dict() has them; no code of it is run."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError
from mcg.convert.torch_script import is_torch_script
from tests.small_configs import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated, and CLIP stays as it was published


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scripted program; a traced one lies beside it."""
    folder = tmp_path_factory.mktemp("script")
    words = [sys.executable, "-W", "ignore", "-m", "tests.mcg.convert.script_programs", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=120)
    return folder / "ViT.pt"


def _changed(archive: Path, to: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy whose entries are changed; None leaves one out."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(to, "w") as new:
        for entry in old.infolist():
            if (content := change(entry.filename.partition("/")[2], old.read(entry))) is not None:
                new.writestr(entry.filename, content)
    return to


def _with_pickle(archive: Path, to: Path, pickle: bytes) -> Path:
    return _changed(archive, to, lambda name, old: pickle if name == "data.pkl" else old)


def test_the_weights_are_those_of_the_program(archive: Path) -> None:
    expected = torch.jit.load(str(archive)).state_dict()
    found = read_checkpoint(archive)
    assert found.state.keys() == expected.keys() and "blocks.1.linear.weight" in expected
    for key, tensor in expected.items():
        assert found.state[key].dtype == tensor.dtype and torch.equal(found.state[key], tensor), key
    assert found.files == (archive,) and found.wrapper is None and found.beside == {}


def test_a_traced_program_is_read_too(archive: Path) -> None:
    file = archive.with_name("traced.pt")
    expected = torch.jit.load(str(file)).state_dict()
    found = read_checkpoint(file).state
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


def test_other_files_of_torch_are_no_programs(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pth")
    assert not is_torch_script(tmp_path / "a.pth")


def test_code_in_the_pickle_is_named_and_not_run(archive: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"touch {mark}".encode()
    command = b"\x80\x02cposix\nsystem\n(X" + struct.pack("<I", len(text)) + text + b"tR."
    file = _with_pickle(archive, tmp_path / "evil.pt", command)
    with pytest.raises(
        ConvertError, match=r"evil\.pt: a TorchScript archive, and no file of plain weights: its pickle "
    ):
        read_checkpoint(file)
    named = _with_pickle(archive, tmp_path / "named.pt", b"\x80\x02c__torch__\nM\n(tRcposix\nsystem\n.")
    with pytest.raises(ConvertError, match=r"its pickle calls posix\.system, which is code and is not run"):
        read_checkpoint(named)
    assert not mark.exists()


@pytest.mark.parametrize("pickle", [b"\x80\x02}.", b"\x80\x02K\x01.", b"\x80\x02c__torch__\nM\n."])
def test_an_archive_of_no_module_is_refused(archive: Path, tmp_path: Path, pickle: bytes) -> None:
    with pytest.raises(ConvertError, match=r"odd\.pt: a TorchScript archive of no module; fetch it again"):
        read_checkpoint(_with_pickle(archive, tmp_path / "odd.pt", pickle))


def test_modules_in_each_other_without_end_are_refused(archive: Path, tmp_path: Path) -> None:
    module = b"c__torch__\nM\n)\x81}(X\x01\x00\x00\x00a%sX\x01\x00\x00\x00b%sub"
    pickle = module % (b"N", b"N") + b"q\x00"
    for number in range(40):  # each holds the one before it twice
        pickle += module % (b"h%c" % number, b"h%c" % number) + b"q%c" % (number + 1)
    with pytest.raises(ConvertError, match=r"modules have no end; it is not to be trusted"):
        read_checkpoint(_with_pickle(archive, tmp_path / "endless.pt", b"\x80\x02" + pickle + b"."))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.98])
def test_a_cut_archive_is_told(archive: Path, tmp_path: Path, share: float) -> None:
    whole = archive.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConvertError, match=r"cut\.pt: no file of weights: it is a zip archive that was cut off"):
        read_checkpoint(tmp_path / "cut.pt")


def test_a_damaged_tensor_is_told(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as old:
        weights = next(old.read(name) for name in old.namelist() if name.endswith("data/0"))
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(archive.read_bytes().replace(weights, bytes(len(weights))))
    with pytest.raises(ConvertError, match=r"damaged\.pt: a TorchScript archive, .*Bad CRC-32 for file 'ViT/data/0'"):
        read_checkpoint(damaged)


def test_tensors_of_fewer_bytes_than_the_pickle_says_are_told(archive: Path, tmp_path: Path) -> None:
    short = _changed(archive, tmp_path / "short.pt", lambda name, old: old[:2] if name == "data/0" else old)
    with pytest.raises(ConvertError, match=r"short\.pt: a TorchScript archive, and not readable as a file of torch"):
        read_checkpoint(short)
    without = _changed(archive, tmp_path / "none.pt", lambda name, old: None if name == "data/0" else old)
    with pytest.raises(ConvertError, match=r"none\.pt: a TorchScript archive, and not readable as a file of torch"):
        read_checkpoint(without)


def test_an_archive_that_unpacks_to_more_than_it_has_is_refused(archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "bomb.pt"
    made = io.BytesIO(archive.read_bytes())
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as more:
        more.writestr("ViT/data/99", bytes(1 << 20))
    file.write_bytes(made.getvalue())
    with pytest.raises(ConvertError, match=r"bomb\.pt: a TorchScript archive whose weights claim \d+ bytes, the file"):
        read_checkpoint(file)
