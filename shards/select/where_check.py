"""The check of a `where` expression: a whitelist, and kinds that fit each other.

Promises: columns, numbers, strings, arithmetic, comparisons, `in`, and, or, not pass, and nothing else; numbers are
compared with numbers and strings with strings, or the error says where. A column of true and false is a condition by
itself, and the numbers 1 and 0 in a comparison. Gives up: powers, functions, and comparisons of constants with each
other.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from shards.base.errors import WhereError

Kind = Literal["number", "string", "truth"]
_KINDS: dict[str, Kind] = {"number": "number", "string": "string", "truth": "truth"}
_NUM_NAMED = 30

STRINGS = ("key", "shard", "kind", "codec")
"""Columns of text; `shard` is the file name of the shard."""
NUMBERS = ("width", "height", "num_frames", "fps", "duration", "num_records", "media_bytes")
"""Columns of numbers: pixels, frames, frames per second, seconds, records, bytes of the medium."""

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class Scope(NamedTuple):
    """What an expression is checked against."""

    text: str
    """The whole expression, for errors."""
    side: Mapping[str, str]
    """The kinds of the columns of side tables; one that is no `Kind` cannot be used."""


def short(text: str) -> str:
    """An expression as errors quote it."""
    return repr(text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]}")


def check(node: ast.expr, scope: Scope) -> Kind:
    """The kind of a node. Raises WhereError if it, or anything in it, is not on the whitelist."""

    def refuse(what: str) -> WhereError:
        return WhereError(f"where {short(scope.text)}: {what}, at {short(ast.unparse(node))}")

    def all_of(kind: Kind, operands: list[ast.expr], what: str) -> None:
        for operand in operands:
            found = check(operand, scope)
            is_flag = found == "truth" and isinstance(operand, ast.Name)
            if found != kind and not (is_flag and kind == "number"):
                raise refuse(f"{what} takes a {kind}, {ast.unparse(operand)!r} is a {found}")

    match node:
        case ast.Name(id=name):
            return _kind_of_column(name, scope.side, refuse)
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
        case ast.BinOp() if isinstance(node.op, _ARITHMETIC):
            all_of("number", [node.left, node.right], "arithmetic")
            return "number"
        case ast.Compare():
            for left, op, right in pairs(node):
                if not any(isinstance(part, ast.Name) for side in (left, right) for part in ast.walk(side)):
                    raise refuse("compares constants with each other; one side must hold a column")
                if isinstance(op, ast.In | ast.NotIn):
                    _check_in(left, right, scope, refuse)
                elif not isinstance(op, _COMPARISONS):
                    raise refuse("only ==, !=, <, <=, >, >=, in and not in compare")
                else:
                    all_of(_comparable(left, scope, refuse), [right], "the right side")
            return "truth"
    raise refuse("only columns, numbers, strings, + - * / // %, comparisons, in, and, or, not are allowed")


def _kind_of_column(name: str, side: Mapping[str, str], refuse: Callable[[str], WhereError]) -> Kind:
    if name in STRINGS:
        return "string"
    if name in NUMBERS:
        return "number"
    kind = side.get(name)
    if kind in _KINDS:
        return _KINDS[kind]
    if kind is not None:
        raise refuse(f"{name!r} of a side table holds {kind}; numbers, texts and true or false can be compared")
    near = difflib.get_close_matches(name, (*STRINGS, *NUMBERS, *side), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    columns = f"columns: {', '.join(STRINGS + NUMBERS)}"
    if not side:
        raise refuse(f"the index has no column {name!r}; {hint}{columns}")
    more = f" and {len(side) - _NUM_NAMED} more" if len(side) > _NUM_NAMED else ""
    columns += f"; of side tables: {', '.join(list(side)[:_NUM_NAMED])}{more}"
    raise refuse(f"neither the index nor a side table has a column {name!r}; {hint}{columns}")


def _check_in(left: ast.expr, right: ast.expr, scope: Scope, refuse: Callable[[str], WhereError]) -> None:
    kind = _comparable(left, scope, refuse)
    if isinstance(right, ast.Tuple | ast.List | ast.Set):
        if not right.elts or any(constant(part) is None or check(part, scope) != kind for part in right.elts):
            raise refuse(f"`in` takes a list of {kind} constants, or one text after a constant ('cat' in key)")
    elif not (isinstance(left, ast.Constant) and kind == check(right, scope) == "string"):
        raise refuse(f"`in` takes a list of {kind} constants, or one text after a constant ('cat' in key)")


def _comparable(node: ast.expr, scope: Scope, refuse: Callable[[str], WhereError]) -> Kind:
    kind = check(node, scope)
    if kind == "truth" and isinstance(node, ast.Name):
        return "number"
    if kind == "truth":
        raise refuse(f"compares {ast.unparse(node)!r}, which is true or false already")
    return kind


def pairs(node: ast.Compare) -> Iterator[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """a < b < c is a < b and b < c."""
    sides = [node.left, *node.comparators]
    return zip(sides, node.ops, sides[1:], strict=False)


def constant(node: ast.expr) -> float | str | None:
    """The value of a constant, also of -2; numbers as float. None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = constant(node.operand)
        return None if not isinstance(inner, float) else -inner
    if not isinstance(node, ast.Constant):
        return None
    return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]
