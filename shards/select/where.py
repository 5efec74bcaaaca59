"""`where` expressions, which select samples of a dataset by what the index says about them.

    duration >= 2 and width * height >= 65536 and kind == "video" and codec not in ("mpeg4", "flv1") and "cat" in key

Promises: the text is parsed with Python's grammar and checked against a whitelist (columns, numbers, strings,
arithmetic, comparisons, `in`, and, or, not) before anything is evaluated; nothing of it ever runs as code. Numbers are
compared with numbers and strings with strings, or the error says where. Masks are made for many samples at once. A
comparison with something that the index does not know (null) is false, whichever comparison it is. Gives up: powers,
functions, and comparisons of constants with each other.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import WhereError

Mask = NDArray[np.bool_]
Kind = Literal["number", "string", "truth"]

STRINGS = ("key", "shard", "kind", "codec")
"""Columns of text; `shard` is the file name of the shard."""
NUMBERS = ("width", "height", "num_frames", "fps", "duration", "num_records", "media_bytes")
"""Columns of numbers: pixels, frames, frames per second, seconds, records, bytes of the medium."""

_MAX_CHARACTERS = 4096
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
_COMPARE_NUMBERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: np.equal,
    ast.NotEq: lambda a, b: np.less(a, b) | np.greater(a, b),  # false for what is not known, as the others are
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_COMPARE_STRINGS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}


@dataclass(frozen=True, slots=True)
class Where:
    """A checked expression. Made by `parse_where`."""

    text: str
    columns: frozenset[str]
    _tree: ast.expr

    @property
    def spelling(self) -> str:
        """A text that is equal for expressions which differ in spaces, quotes and needless brackets only."""
        return _spell(self._tree)

    @property
    def conditions(self) -> list[Where]:
        """The conditions that the outermost `and`s join; the expression itself if there is none."""
        match self._tree:
            case ast.BoolOp(op=ast.And(), values=values):
                return [_made(tree, ast.unparse(tree)) for tree in values]
        return [self]

    def mask(self, columns: Mapping[str, Any]) -> Mask:
        """columns: of each name in `columns` one value per sample, strings as Arrow arrays, numbers as numpy ones."""
        with np.errstate(all="ignore"):
            return _evaluate(self._tree, columns)


def parse_where(text: str) -> Where:
    """Check an expression. Raises WhereError with the text, the operation that is wrong and the remedy."""
    if len(text) > _MAX_CHARACTERS:
        raise WhereError(
            f"where: {len(text)} characters, at most {_MAX_CHARACTERS}; exclusion lists name single samples"
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        kind = _check(tree, text)
        made = _made(tree, text.strip())
    except SyntaxError as error:
        raise WhereError(f"where {_short(text)}: not an expression ({error.msg}, character {error.offset})") from error
    except (RecursionError, MemoryError) as error:
        raise WhereError(f"where {text[:60]!r}...: nested too deeply") from error
    except WhereError:
        raise
    except ValueError as error:  # a null character, a number of thousands of digits
        raise WhereError(f"where {_short(text)}: not an expression ({error})") from error
    if kind != "truth":
        raise WhereError(f"where {_short(text)}: is a {kind}; compare it with something, e.g. duration >= 2")
    return made


def _made(tree: ast.expr, text: str) -> Where:
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return Where(text, names, tree)


def _spell(node: ast.AST) -> str:
    """Operators first, everything in brackets, numbers as floats. `ast.unparse` differs between releases of Python."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=str() as value):
            return json.dumps(value)
        case ast.Constant(value=value):
            return repr(float(value))  # type: ignore[arg-type]
        case ast.BoolOp():
            items: list[ast.AST] = [node.op, *node.values]
        case ast.UnaryOp():
            items = [node.op, node.operand]
        case ast.BinOp():
            items = [node.op, node.left, node.right]
        case ast.Compare():
            items = [*node.ops, node.left, *node.comparators]
        case ast.Tuple() | ast.List() | ast.Set():
            items = list(node.elts)
        case _:  # an operator
            return type(node).__name__
    return f"({' '.join(map(_spell, items))})"


def _short(text: str) -> str:
    """An expression as errors quote it."""
    return repr(text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]}")


# ---------------------------------------------------------------- checking


def _check(node: ast.expr, text: str) -> Kind:
    """The kind of a node. Raises WhereError if it, or anything in it, is not on the whitelist."""

    def refuse(what: str) -> WhereError:
        return WhereError(f"where {_short(text)}: {what}, at {_short(ast.unparse(node))}")

    def all_of(kind: Kind, operands: list[ast.expr], what: str) -> None:
        for operand in operands:
            found = _check(operand, text)
            if found != kind:
                raise refuse(f"{what} takes a {kind}, {ast.unparse(operand)!r} is a {found}")

    match node:
        case ast.Name(id=name):
            if name not in STRINGS + NUMBERS:
                near = difflib.get_close_matches(name, STRINGS + NUMBERS, 1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise refuse(f"the index has no column {name!r}; {hint}columns: {', '.join(STRINGS + NUMBERS)}")
            return "string" if name in STRINGS else "number"
        case ast.Constant(value=str()):
            return "string"
        case ast.Constant(value=(int() | float()) as value) if not isinstance(value, bool):
            if not abs(value) < 2**1000:
                raise refuse("a number out of range")
            return "number"
        case ast.BoolOp(values=values):
            all_of("truth", values, "and" if isinstance(node.op, ast.And) else "or")
            return "truth"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            all_of("truth", [operand], "not")
            return "truth"
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            all_of("number", [operand], "a sign")
            return "number"
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            all_of("number", [node.left, node.right], "arithmetic")
            return "number"
        case ast.Compare():
            for left, op, right in _pairs(node):
                if not any(isinstance(part, ast.Name) for side in (left, right) for part in ast.walk(side)):
                    raise refuse("compares constants with each other; one side must hold a column")
                if isinstance(op, ast.In | ast.NotIn):
                    _check_in(left, right, text, refuse)
                elif type(op) not in _COMPARE_NUMBERS:
                    raise refuse("only ==, !=, <, <=, >, >=, in and not in compare")
                else:
                    all_of(_comparable(left, text, refuse), [right], "the right side")
            return "truth"
    raise refuse("only columns, numbers, strings, + - * / // %, comparisons, in, and, or, not are allowed")


def _check_in(left: ast.expr, right: ast.expr, text: str, refuse: Callable[[str], WhereError]) -> None:
    kind = _comparable(left, text, refuse)
    if isinstance(right, ast.Tuple | ast.List | ast.Set):
        if not right.elts or any(_constant(part) is None or _check(part, text) != kind for part in right.elts):
            raise refuse(f"`in` takes a list of {kind} constants, or one text after a constant ('cat' in key)")
    elif not (isinstance(left, ast.Constant) and kind == _check(right, text) == "string"):
        raise refuse(f"`in` takes a list of {kind} constants, or one text after a constant ('cat' in key)")


def _comparable(node: ast.expr, text: str, refuse: Callable[[str], WhereError]) -> Kind:
    kind = _check(node, text)
    if kind == "truth":
        raise refuse(f"compares {ast.unparse(node)!r}, which is true or false already")
    return kind


def _pairs(node: ast.Compare) -> Iterator[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """a < b < c is a < b and b < c."""
    sides = [node.left, *node.comparators]
    return zip(sides, node.ops, sides[1:], strict=False)


def _constant(node: ast.expr) -> float | str | None:
    """The value of a constant, also of -2; numbers as float. None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if not isinstance(inner, float) else -inner
    if not isinstance(node, ast.Constant):
        return None
    return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]


# ---------------------------------------------------------------- evaluating what was checked


def _evaluate(node: ast.expr, columns: Mapping[str, Any]) -> Any:
    """A mask, a numpy or Arrow array, or a plain number or text.

    Plain numbers take the precision of the column beside them, so that `duration >= 3.1` holds for a stored 3.1, which
    is a little less in single precision.
    """
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant():
            return _constant(node)
        case ast.BoolOp(op=op, values=values):
            masks = [_evaluate(value, columns) for value in values]
            return np.logical_and.reduce(masks) if isinstance(op, ast.And) else np.logical_or.reduce(masks)
        case ast.UnaryOp(op=op, operand=operand):
            value = _evaluate(operand, columns)
            return ~value if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _evaluate(left, columns), _evaluate(right, columns)
            result = _ARITHMETIC[type(op)](a, b)
            return float(result) if isinstance(a, float) and isinstance(b, float) else result
        case ast.Compare():
            return np.logical_and.reduce([_compare(*pair, columns) for pair in _pairs(node)])
    raise AssertionError(f"{ast.dump(node)} passed the check")


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, columns: Mapping[str, Any]) -> Mask:
    a = _evaluate(left, columns)
    if isinstance(right, ast.Tuple | ast.List | ast.Set):
        values = [_constant(part) for part in right.elts]
        found, known = _is_in(a, values)
        return known & ~found if isinstance(op, ast.NotIn) else known & found
    b = _evaluate(right, columns)
    if isinstance(op, ast.In | ast.NotIn):  # a constant text inside a column of texts
        found, known = _matches(b, a)
        return known & ~found if isinstance(op, ast.NotIn) else known & found
    if isinstance(a, np.ndarray | float):
        return np.asarray(_COMPARE_NUMBERS[type(op)](a, b))
    import pyarrow.compute as pc

    return _truth(getattr(pc, _COMPARE_STRINGS[type(op)])(a, b))


def _is_in(column: Any, values: list[Any]) -> tuple[Mask, Mask]:
    """(is one of the values, is known) for each sample."""
    if isinstance(column, np.ndarray):
        return np.isin(column, np.array(values, column.dtype)), ~np.isnan(column)
    import pyarrow as pa
    import pyarrow.compute as pc

    return _truth(pc.is_in(column, pa.array(values, column.type))), _truth(pc.is_valid(column))


def _matches(column: Any, text: str) -> tuple[Mask, Mask]:
    """(holds the text, is known) for each sample."""
    import pyarrow.compute as pc

    return _truth(pc.match_substring(column, text)), _truth(pc.is_valid(column))


def _truth(result: Any) -> Mask:
    return np.asarray(result.fill_null(False).to_numpy(zero_copy_only=False))
