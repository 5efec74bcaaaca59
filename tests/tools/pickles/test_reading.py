"""A pickle is read as its plain values, within bounds that hold whatever the file says."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tools.pickles.assembly import named, plain, text
from tools.pickles.reading import load_pickle
from tools.rows import AnnotationError, OptionError


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(data: bytes) -> Path:
        path = tmp_path / "a.pkl"
        path.write_bytes(data)
        return path

    return write


def test_arrays_within_containers_are_lists(write: Any) -> None:
    array = np.arange(4, dtype=np.int16).reshape(2, 2)
    value = {"v": [array, (array, "x")], "w": np.array([array, None], dtype=object)}
    assert load_pickle(write(pickle.dumps(value))) == {
        "v": [[[0, 1], [2, 3]], ([[0, 1], [2, 3]], "x")],
        "w": [[[0, 1], [2, 3]], None],
    }


def test_annotations_of_the_field(write: Any) -> None:
    """LAVENDER's frames and line numbers, Norton's ids of a shard, MSR-VTT's and MSVD's captions."""
    for value in (
        {"video7010": [b"/9j/4AAQ", b"/9j/4AAR"]},
        {"video7010": 0, "video7011": 75_113},
        {0: ["id1", "id2"], 1: ["id3"]},
        {"-4wsuPCjDBc_5_15": [["a", "squirrel", "eats"], ["it", "eats"]]},
        [{"id": "GLd3aX16zBg_0", "caption": "spread margarine"}],
    ):
        for protocol in range(6):
            assert load_pickle(write(pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"", "is cut or damaged at byte 0 of 0"),
        (b"not a pickle at all", "is cut or damaged"),
        (b"]q\x00h\x00a.", "holds more than 50 containers within each other"),
        (b"]" * 60 + b"a" * 59 + b".", "holds more than 50 containers within each other"),
        (b"}q\x00" + text("k") + b"h\x00s.", "holds more than 50 containers within each other"),
        (named("numpy", "ndarray") + b".", "holds the name numpy.ndarray where data are expected"),
        (named("pandas", "DataFrame") + b")\x81.", "whose data do not fit it"),
        (named("numpy", "dtype") + plain(("i8", False, True)) + b"R.", "holds a dtype where data are expected"),
    ],
)
def test_what_is_no_annotation_file_is_refused_in_one_line(write: Any, program: bytes, reason: str) -> None:
    with pytest.raises(AnnotationError) as error:
        load_pickle(write(program))
    message = str(error.value)
    assert "a.pkl: the pickle " in message and reason in message and "\n" not in message


def _laughs() -> bytes:
    """Ten lists, each with the one before ten times: ten billion values in 300 bytes."""
    steps = b"".join(b"](" + bytes((ord("h"), n)) * 10 + b"e" + bytes((ord("q"), n + 1)) for n in range(10))
    return b"](K\x01K\x02eq\x00" + steps + b"."


def _arrays() -> bytes:
    """One buffer of 300 KB that ten thousand arrays share."""
    size = (300_000).to_bytes(4, "little")
    head = b"B" + size + bytes(300_000) + b"r\x01\x01\x00\x000"
    dtype = named("numpy", "dtype") + b"(" + text("i1") + b"\x89\x88tRr\x02\x01\x00\x000"
    data, kind = b"j\x01\x01\x00\x00", b"j\x02\x01\x00\x00"
    call = named("numpy", "_frombuffer") + b"(" + data + kind + b"J" + size + b"\x85" + text("C") + b"tR"
    return head + dtype + b"(" + call * 10_000 + b"l."


def _objects() -> bytes:
    """One list of 10,000 values that ten thousand arrays of objects share, as their state."""
    size = (10_000).to_bytes(4, "little")
    head = b"](" + b"K\x07" * 10_000 + b"er\x01\x01\x00\x000"
    dtype = named("numpy", "dtype") + b"(" + text("O8") + b"\x89\x88tRr\x02\x01\x00\x000"
    made = named("numpy", "_reconstruct") + b"(" + named("numpy", "ndarray") + b"K\x00\x85" + text("b") + b"tR"
    state = b"(K\x01J" + size + b"\x85j\x02\x01\x00\x00\x89j\x01\x01\x00\x00tb"
    return head + dtype + b"(" + (made + state) * 10_000 + b"l."


def _ranges() -> bytes:
    return b"(" + (named("builtins", "slice") + plain((0, 1_000_000, 1)) + b"R") * 2_000 + b"l."


def _encoded() -> bytes:
    return (
        text("x" * 1_000_000)
        + b"q\x000("
        + (named("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R") * 9_999
        + b"l."
    )


BOMBS = {"laughs": _laughs, "arrays": _arrays, "objects": _objects, "ranges": _ranges, "encoded": _encoded}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_little_memory(write: Any, name: str) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from tools.pickles.reading import load_pickle\n"
        "import numpy\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "try: load_pickle(Path(sys.argv[1]))\n"
        "except ValueError as error: print(error)\n"
    )
    path = write(BOMBS[name]())
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "a.pkl: the pickle " in done.stdout, done.stderr
    assert "again and again, to fill the memory" in done.stdout or "not to be trusted" in done.stdout


def test_a_file_that_is_not_there_or_closed_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no\.pkl: no such file; check the path"):
        load_pickle(tmp_path / "no.pkl")
    with pytest.raises(AnnotationError, match="cannot be read: Is a directory"):
        load_pickle(tmp_path)


def test_memory_is_a_small_multiple_of_the_file(write: Any) -> None:
    path = write(pickle.dumps({f"video{n}": [f"caption {n} {m}" for m in range(5)] for n in range(10_000)}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(load_pickle(path)) == 10_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 20 * path.stat().st_size + 20_000_000
