"""Files of torch are plain data: settings are stand-ins, code is named and never run."""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from mcg.convert.rules import ConvertError
from mcg.convert.torch_file import SETTINGS, read_file

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


class _Command:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("newer", [True, False])
def test_pickled_code_is_not_run(tmp_path: Path, newer: bool) -> None:
    file, mark = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"model": WEIGHTS, "extra": _Command(mark)}, file, _use_new_zipfile_serialization=newer)
    with pytest.raises(ConvertError) as refused:
        read_file(file)
    assert re.search(
        r"evil\.pth: no file of plain weights: its pickle calls posix\.system, which is code", str(refused.value)
    )
    assert "weights_only" not in str(refused.value) and not mark.exists()


class _Evaluated:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('os').getcwd()",)


@pytest.mark.parametrize("newer", [True, False])
def test_a_built_in_function_is_named_too(tmp_path: Path, newer: bool) -> None:
    torch.save({"model": WEIGHTS, "x": _Evaluated()}, tmp_path / "a.pth", _use_new_zipfile_serialization=newer)
    with pytest.raises(ConvertError, match=r"its pickle calls eval, which is code and is not run"):
        read_file(tmp_path / "a.pth")


class _Own:
    pass


@pytest.mark.parametrize("newer", [True, False])
def test_a_class_that_nobody_knows_is_named(tmp_path: Path, newer: bool) -> None:
    torch.save({"model": WEIGHTS, "args": _Own()}, tmp_path / "a.pth", _use_new_zipfile_serialization=newer)
    with pytest.raises(ConvertError, match=rf"its pickle calls {__name__}\._Own, which is code and is not run; take"):
        read_file(tmp_path / "a.pth")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_name_on_the_list_of_settings_is_a_stand_in_and_never_called(tmp_path: Path, name: str) -> None:
    """Whatever it is in Python: its argument would make each of them a value, or an error."""
    module, _, attribute = name.rpartition(".")
    argument = b"X" + struct.pack("<I", 5) + b"hello"
    code = b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"(" + argument + b"tR}b."
    file = tmp_path / "a.pth"
    with zipfile.ZipFile(file, "w") as archive:
        for entry, data in (("data.pkl", code), ("version", b"3\n"), ("byteorder", b"little")):
            archive.writestr(f"a/{entry}", data)
    found = read_file(file)
    assert type(found).__name__ == "_SettingsObject" or found == OrderedDict()
