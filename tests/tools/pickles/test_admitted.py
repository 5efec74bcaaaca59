"""No name of code gets through, in whatever way a pickle spells it, and nothing of the file ever runs."""

from __future__ import annotations

import builtins
import codecs
import collections
import copyreg
import importlib
import operator
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.pickles.assembly import Trap, named, plain, text
from tools.pickles.admitted import find
from tools.pickles.opcodes import run
from tools.pickles.reading import load_pickle
from tools.pickles.stand_in import UnreadablePickle
from tools.rows import AnnotationError

COMMAND = "import pathlib; pathlib.Path('ran').touch()"
TRAPS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "posix.system": (os.system, ("touch ran",)),
    "builtins.eval": (eval, (COMMAND,)),
    "builtins.exec": (exec, (COMMAND,)),
    "builtins.getattr": (getattr, (os, "system")),
    "builtins.__import__": (builtins.__import__, ("antigravity",)),
    "importlib.import_module": (importlib.import_module, ("antigravity",)),
    "subprocess.Popen": (subprocess.Popen, ("touch ran",)),
    "subprocess.check_output": (subprocess.check_output, (["touch", "ran"],)),
    "builtins.open": (open, ("ran", "w")),
    "_operator.attrgetter": (operator.attrgetter, ("system",)),
    "builtins.map": (map, (os.system, ["touch ran"])),
    "_codecs.lookup": (codecs.lookup, ("idna",)),
    "_codecs.decode": (codecs.decode, (b"x", "zip")),
    "copyreg.add_extension": (copyreg.add_extension, ("os", "system", 77)),
    "_pickle.loads": (pickle.loads, (b"cos\nsystem\n.",)),
    "builtins.bytearray": (bytearray, (1 << 40,)),
    "builtins.range": (range, (1 << 40,)),
}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("protocol", [0, 4])
def test_what_a_trap_would_run_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    function, args = TRAPS[name]
    path = tmp_path / "train.pkl"
    path.write_bytes(
        pickle.dumps({"a": [Trap(function, *args)]}, protocol) if name != "builtins.getattr" else _nested()
    )
    modules = set(sys.modules)
    with pytest.raises(AnnotationError) as error:
        load_pickle(path)
    assert not (tmp_path / "ran").exists() and {"antigravity", "idna"}.isdisjoint(set(sys.modules) - modules)
    message = str(error.value)
    assert message.startswith(f"{path}: the pickle ") and "\n" not in message
    if name != "builtins.bytearray":
        assert name.rpartition(".")[2] in message
        assert "nothing was run; get the table as .json, .jsonl, .csv or .parquet from where it was made" in message


def _nested() -> bytes:
    """getattr(getattr(DataFrame, "__init__"), "__globals__"), from a class that is admitted."""
    inner = named("builtins", "getattr") + b"(" + named("pandas.core.frame", "DataFrame") + text("__init__") + b"tR"
    return named("builtins", "getattr") + b"(" + inner + text("__globals__") + b"tR."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("pandas.io.common", "os.system"),
        ("pandas.io.pickle", "read_pickle"),
        ("pandas.core.frame", "DataFrame.__init__"),
        ("pandas", "eval"),
        ("numpy", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("pandas.core.arrays.categorical", "Categorical"),
        ("builtins.slice", "__class__"),
        ("tools.pickles.admitted", "_encode"),
        ("numpyx", "dtype"),
        ("datetime", "datetime"),
        ("__main__", "Vocabulary"),
        ("", ""),
        ("x" * 5000, "y\x1b[31m" * 100),
    ],
)
def test_a_name_is_admitted_only_as_it_stands_in_the_table(module: str, name: str) -> None:
    with pytest.raises(
        UnreadablePickle, match="which is neither a plain value nor a data frame, and nothing was run"
    ) as e:
        find(module, name)
    assert len(str(e.value)) < 1500 and "\x1b" not in str(e.value)


def test_names_of_python_2_and_of_old_modules_are_the_same() -> None:
    assert find("__builtin__", "set") == find("builtins", "set")
    assert find("pandas.core.index", "Index") == find("pandas", "Index")
    assert find("numpy.core.multiarray", "_reconstruct") == find("numpy._core.multiarray", "_reconstruct")


def test_containers_of_collections_are_dicts() -> None:
    ordered = collections.OrderedDict([("b", 1), ("a", 2)])
    many = collections.defaultdict(list, {"v": ["c"]})
    for protocol in range(6):
        assert run(pickle.dumps(ordered, protocol), find) == {"b": 1, "a": 2}
        assert run(pickle.dumps(many, protocol), find) == {"v": ["c"]}
    with pytest.raises(UnreadablePickle, match="makes list of a dict"):
        run(named("collections", "OrderedDict") + plain(({1: 2},)) + b"R.", find)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (named("_codecs", "encode") + plain(("x", "idna")) + b"R.", "holds bytes encoded as 'idna'"),
        (named("builtins", "set") + plain(("text",)) + b"R.", "makes list of a str"),
        (named("copy_reg", "_reconstructor") + b"(" + named("builtins", "object") + b"NNtR.", "holds an object"),
        (named("functools", "partial") + plain(("x",)) + b"R)R.", "calls a str"),
        (named("pandas", "DataFrame") + b"})\x92.", "makes an object with named arguments|calls"),
    ],
)
def test_admitted_names_take_only_what_pickles_of_data_give_them(program: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePickle, match=reason):
        run(program, find)


def test_nothing_heavy_is_loaded_for_a_plain_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"a": [["b"]]}))
    script = (
        "import sys; from pathlib import Path; from tools.pickles.reading import load_pickle; "
        f"load_pickle(Path({str(path)!r})); print({{'pandas', 'pickle', 'numpy', 'pyarrow'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "pandas" not in done.stdout and "numpy" not in done.stdout and "pyarrow" not in done.stdout
