"""`where` expressions, which select samples of a dataset by what the index says about them.

    duration >= 2 and width * height >= 65536 and kind == "video" and codec not in ("mpeg4", "flv1") and "cat" in key

Columns are those of the index, and those of side tables (docs/side_tables.md) where a dataset has some.

Promises: the text is parsed with Python's grammar and checked against a whitelist (where_check.py) before anything is
evaluated; nothing of it ever runs as code. Masks are made for many samples at once. A comparison with something that is
not known (null) is false, whichever comparison it is.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import WhereError
from shards.select.where_check import Scope, check, constant, pairs, short

Mask = NDArray[np.bool_]

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
            return _as_mask(_evaluate(self._tree, columns))


def parse_where(text: str, side: Mapping[str, str] | None = None) -> Where:
    """Check an expression. side: the kinds of the columns of side tables (shards/select/side_file.py).

    Raises WhereError with the text, the operation that is wrong and the remedy.
    """
    if len(text) > _MAX_CHARACTERS:
        raise WhereError(
            f"where: {len(text)} characters, at most {_MAX_CHARACTERS}; exclusion lists name single samples"
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        kind = check(tree, Scope(text, side or {}))
        made = _made(tree, text.strip())
    except SyntaxError as error:
        raise WhereError(f"where {short(text)}: not an expression ({error.msg}, character {error.offset})") from error
    except (RecursionError, MemoryError) as error:
        raise WhereError(f"where {text[:60]!r}...: nested too deeply") from error
    except WhereError:
        raise
    except ValueError as error:  # a null character, a number of thousands of digits
        raise WhereError(f"where {short(text)}: not an expression ({error})") from error
    if kind != "truth":
        raise WhereError(f"where {short(text)}: is a {kind}; compare it with something, e.g. duration >= 2")
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
            return constant(node)
        case ast.BoolOp(op=op, values=values):
            masks = [_as_mask(_evaluate(value, columns)) for value in values]
            return np.logical_and.reduce(masks) if isinstance(op, ast.And) else np.logical_or.reduce(masks)
        case ast.UnaryOp(op=op, operand=operand):
            value = _evaluate(operand, columns)
            return ~_as_mask(value) if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _evaluate(left, columns), _evaluate(right, columns)
            result = _ARITHMETIC[type(op)](a, b)
            return float(result) if isinstance(a, float) and isinstance(b, float) else result
        case ast.Compare():
            return np.logical_and.reduce([_compare(*pair, columns) for pair in pairs(node)])
    raise AssertionError(f"{ast.dump(node)} passed the check")


def _as_mask(value: Any) -> Mask:
    """A mask, also of a column of true (1), false (0) and unknown (NaN)."""
    return value if value.dtype == np.bool_ else value == 1


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, columns: Mapping[str, Any]) -> Mask:
    a = _evaluate(left, columns)
    if isinstance(right, ast.Tuple | ast.List | ast.Set):
        values = [constant(part) for part in right.elts]
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
