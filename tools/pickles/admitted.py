"""The names that a pickle may mention, and what stands for each; everything else is refused by its name.

A name is looked up by its library and its last part, for pandas and numpy moved theirs from module to module. Nothing
is imported: what stands here is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.pickles.arrays import Dtype, from_buffer, reconstruct, scalar
from tools.pickles.arrow_texts import ArrowChunks, ArrowTexts, ArrowType, TextColumn, TextType, buffer
from tools.pickles.frames import Block, DataFrame, Labels, Manager, Range, Series
from tools.pickles.machine import as_set, partial
from tools.pickles.stand_in import Named, UnreadablePickle


def find(module: str, name: str) -> Named:
    """What stands for a class or function. Raises UnreadablePickle, naming it."""
    library = _SAME.get(module, module.partition(".")[0] if module.partition(".")[0] in _LIBRARIES else module)
    if (library, name) not in _ADMITTED:
        raise UnreadablePickle(
            f"names {module[:100]}.{name[:100]}, which is neither a plain value nor a data frame, and nothing was run; "
            "get the table as .json, .jsonl, .csv or .parquet from where it was made"
        )
    return Named(f"{library}.{name}", _ADMITTED[library, name])


_SAME = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules of Python 2 and their names today."""
_LIBRARIES = ("numpy", "pandas", "pyarrow")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes, as protocols before 3 write them."""
    if encoding not in ("latin1", "latin-1"):
        raise UnreadablePickle(f"holds bytes encoded as {encoding[:40]!r}; fetch it again")
    return text.encode("latin-1")


def _bytes(value: str | bytes = b"", encoding: str = "latin1") -> bytes:
    return _encode(value, encoding) if isinstance(value, str) else _checked(value, bytes)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise UnreadablePickle(f"makes {kind.__name__} of a {type(value).__name__}; fetch it again")
    return value


def _ordered(items: Any = ()) -> dict[Any, Any]:
    """collections.OrderedDict; its items follow, or are given as pairs by Python 2."""
    made: dict[Any, Any] = {}
    for key, value in _checked(items, list) if items else ():
        as_set((key,))
        made[key] = value
    return made


def _default(factory: Any = None) -> dict[Any, Any]:
    """collections.defaultdict, whose items follow."""
    return {}


def _restored(kind: Any, base: Any = None, state: Any = None) -> Any:
    """copyreg's _reconstructor, by which protocols 0 and 1 make objects. Raises UnreadablePickle."""
    if not isinstance(kind, Named) or kind.make is None or state is not None:
        raise UnreadablePickle("holds an object that is neither a plain value nor a data frame; get it in another form")
    return kind.make()


def _backed(kind: Any, checksum: Any = None, state: Any = None) -> TextColumn:
    """How pandas makes an array of its own around one of numpy; its state follows. Only texts are read."""
    if kind is None or kind != find("pandas", "StringArray"):
        raise UnreadablePickle("holds a column of a type of pandas' own; change it to texts or numbers (astype)")
    return TextColumn()


_ADMITTED: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("builtins", "object"): None,
    ("builtins", "slice"): Range,
    ("builtins", "set"): lambda items=(): as_set(_checked(items, list) if items else ()),
    ("builtins", "frozenset"): lambda items=(): frozenset(as_set(_checked(items, list) if items else ())),
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytes,
    **{("builtins", name): None for name in ("list", "dict", "int", "str", "float")},  # of a defaultdict
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _restored,
    ("collections", "OrderedDict"): _ordered,
    ("collections", "defaultdict"): _default,
    ("functools", "partial"): partial,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): Dtype,
    ("numpy", "_reconstruct"): reconstruct,
    ("numpy", "_frombuffer"): from_buffer,
    ("numpy", "scalar"): scalar,
    ("pandas", "DataFrame"): DataFrame,
    ("pandas", "Series"): Series,
    ("pandas", "BlockManager"): Manager,
    ("pandas", "SingleBlockManager"): Manager,
    ("pandas", "_unpickle_block"): Block,
    ("pandas", "new_block"): Block,
    ("pandas", "_new_Index"): Labels,
    **{("pandas", name): None for name in ("Index", "Int64Index", "UInt64Index", "Float64Index", "RangeIndex")},
    ("pandas", "NA"): None,
    ("pandas", "_nat_unpickle"): lambda *_: None,
    ("pandas", "StringDtype"): TextType,
    ("pandas", "ArrowStringArray"): TextColumn,
    ("pandas", "StringArray"): TextColumn,
    ("pandas", "__pyx_unpickle_NDArrayBacked"): _backed,
    ("pyarrow", "type_for_alias"): ArrowType,
    ("pyarrow", "_restore_array"): ArrowTexts,
    ("pyarrow", "chunked_array"): ArrowChunks,
    ("pyarrow", "py_buffer"): buffer,
}
