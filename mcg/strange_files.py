"""Files that are not what was expected: the kind of a wrong download, and why torch refuses one, for error messages.

A file is told by its first 64 KiB; nothing is run. No message advises to load a file unsafely, as torch's own does.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from shards.base import load_json
from shards.media import LFS_POINTER, answer, archive, compression

_HEAD_BYTES = 1 << 16
_MAGIC = (
    (b"\x89HDF", "an HDF5 file (Keras or TensorFlow); fetch the weights for PyTorch"),
    (b"GGUF", "a GGUF file (llama.cpp); fetch the weights for PyTorch"),
    (b"\x93NUMPY", "one array of NumPy; fetch the weights for PyTorch"),
    (b"%PDF", "a PDF; fetch the weights themselves"),
    (b"\x89PNG", "a picture; fetch the weights themselves"),
    (b"\xff\xd8\xff", "a picture; fetch the weights themselves"),
)


def strange_kind(file: Path, is_json: bool = False) -> str | None:
    """The kind of an unexpected file and what to do about it, in words; None where its first bytes do not tell.

    is_json: a JSON file is expected, not weights.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return None
    if looks_like_safetensors(file):
        return None
    if not head:
        return "an empty file (0 bytes); fetch it again"
    if head.startswith(LFS_POINTER):
        size = re.search(rb"^size (\d{1,20})$", head, re.MULTILINE)
        told = f" for {int(size[1])} bytes" if size else ""
        return f"a git-lfs pointer{told}, not the file itself; run `git lfs pull` in its repository, or fetch it again"
    said = answer(head)
    if said == "html" or head.lstrip().startswith(b"<!--"):
        return (
            "an HTML page, as a server sends instead of a file that needs a login or a confirmation; open the address "
            "in a browser, and fetch the file itself"
        )
    if said == "xml":
        code = re.search(rb"<Code>([A-Za-z]{1,40})</Code>", head)
        told = f" ({code[1].decode()})" if code else ""
        return f"an XML answer of a server{told}, not the file; fetch it again with the right address and rights"
    if said == "json":
        return None if is_json else _json_kind(head)
    if head.startswith(b"PK"):
        return _zip_kind(file)
    packed = compression(head) or archive(head) or ("a tar" if head[257:262] == b"ustar" else "")
    if packed:
        return f"{packed} archive; unpack it and give the file inside"
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is None and b"\0" not in head and _is_text(head):
        return "a text file; fetch the weights themselves"
    return found


def looks_like_safetensors(file: Path) -> bool:
    """True if a file begins like safetensors: with the length of a header, and a header."""
    with file.open("rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and head[8:] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= file.stat().st_size


def is_refusal(error: Exception) -> bool:
    """True if torch stopped at a name in a pickle that it does not allow, or at a file that is no pickle."""
    return "weights_only" in str(error) or type(error).__name__ == "UnpicklingError"


def refusal(error: Exception) -> str:
    """One line on why torch refused a file with weights_only, and what to do."""
    text = str(error)
    if is_refusal(error):
        named = re.search(r"GLOBAL (\w[\w.]*)|(?:class|type|function|instance of) ['\"<]*(\w[\w.]*\.\w+)", text)
        if named:
            name = (named[1] or named[2])[:200]
            return (
                f"no file of plain weights: its pickle calls {name}, which is code and is not run; take weights from "
                "a source that you trust, as safetensors, or ask the author for a file that holds a state dict alone"
            )
        return "no file of plain weights: its pickle is damaged, or not of torch; fetch it again"
    first = (text.strip() or repr(error)).splitlines()[0]
    return f"not readable as a file of torch ({first[:300]}); fetch it again"


def _json_kind(head: bytes) -> str:
    try:
        content = load_json(head)
    except ValueError:
        content = None
    if isinstance(content, dict) and "weight_map" in content:
        return "the index of weights in several files; give the folder with all of them"
    return "a JSON file, perhaps an error that a server sent; fetch the weights themselves"


def _zip_kind(file: Path) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()[:10_000]
    except (OSError, ValueError, zipfile.BadZipFile):
        return "a zip archive that was cut off; fetch it again"
    if any(name.endswith("constants.pkl") for name in names):
        return (
            "a TorchScript archive: a program with its weights, which is not run; `python -m mcg.convert` takes the "
            "weights alone"
        )
    if any(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays (.npz), as JAX and TensorFlow models come; fetch the weights for PyTorch"
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return None
    return "a zip archive; unpack it and give the file inside"


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode("utf-8") if len(head) == _HEAD_BYTES else head.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
