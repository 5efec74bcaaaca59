"""Values of a config that come from the environment: resolved in memory, written by their expressions.

Promises: an expression that names the environment in a config (`${oc.env:NAME}`, also inside a longer text, behind
other interpolations or in `oc.decode`) is stored as it was written, and resolved again when it is read; errors and logs
show the expression. Of addresses that a config spells out, user, password and query are not stored.
A stored config may come from anybody: what it takes from the environment never becomes an address to ask
(`read_stored`).
Gives up: hiding what another program was given in the same variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from mcg.config.yaml_limits import check_interpolations
from shards.base import HIDDEN, ConfigError, hide, secrets_of, shown
from shards.storage import is_remote

Path = tuple[str | int, ...]

_SECRET_NAME = re.compile(r"key|token|secret|pass|pw|sig|cred|auth|sas|private", re.IGNORECASE)
_EXPRESSION = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")
_BEGIN = re.compile(r"(\\*)\$\{")
_PLACE = re.compile(r"~|\.{0,2}/")
_SHORTEST = 8
"""Characters of a value that is hidden whatever its variable is called."""
_asked: ContextVar[dict[str, str] | None] = ContextVar("_asked", default=None)


class Given(NamedTuple):
    """The values of a config that came from the environment."""

    expressions: dict[Path, str]
    """Expression by the path at which it stands."""
    variables: dict[str, str]
    """Name -> value of each variable that was read."""

    def by_text(self) -> dict[str, str]:
        """Expression by its path as messages write it: data.train.blend[0].path."""
        return {_path_text(path): text for path, text in self.expressions.items()}

    def to_store(self, dump: dict[str, Any]) -> dict[str, Any]:
        """A dumped config in the form that may be written to a file."""
        secret = {value: name for name, value in self.variables.items() if _is_secret(name, value)}

        def stored(value: Any, path: Path) -> Any:
            if path in self.expressions:
                return _without_literals(self.expressions[path])
            if isinstance(value, dict):
                return {key: stored(item, (*path, key)) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [stored(item, (*path, number)) for number, item in enumerate(value)]
            if not isinstance(value, str):
                return value
            text = _BEGIN.sub(r"\1\1\\${", shown(value))
            for part in sorted(secret, key=len, reverse=True):  # spread to other places than it was written at
                text = text.replace(part, f"${{oc.env:{secret[part]}}}")
            return text

        written = stored(dump, ())
        assert isinstance(written, dict)
        return written

    def without_values(self, lines: list[str]) -> list[str]:
        """Lines about faults of a config in which expressions replace the values that came from the environment."""
        for name, value in sorted(self.variables.items(), key=lambda known: -len(known[1])):
            shown_as = f"${{oc.env:{name}}}"
            lines = [line.replace(f"found {value!r}", f"found {shown_as!r}") for line in lines]
            if len(value) > 2:
                lines = [line.replace(value, shown_as) for line in lines]
        return lines


def resolve(tree: DictConfig, place: str) -> tuple[dict[str, Any], Given]:
    """The values of a tree, and which of them came from the environment. place: the file, for errors.

    Raises ConfigError.
    """
    OmegaConf.register_resolver("oc.env", _environment, replace=True, annotation_validation="off")
    given = Given({}, {})
    for path, text in _texts(OmegaConf.to_container(tree, resolve=False)):
        if "${" in text:
            asked, value = _value(tree, path, text, place)
            if asked:
                given.expressions[path] = text
                given.variables.update(asked)
    for name, value in given.variables.items():
        _hide(name, value)
    values = OmegaConf.to_container(tree, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}, given


def read_stored(stored: Mapping[str, Any], place: str, used: tuple[str, ...]) -> tuple[dict[str, Any], Given]:
    """The values of a stored config.

    used: the sections that are needed. Elsewhere an expression without a value, or with one that is an address, is kept
    as text; in a needed section it raises ConfigError.
    """
    try:
        check_interpolations(dict(stored))
        tree = OmegaConf.create(dict(stored))
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: config: {error}") from error
    OmegaConf.register_resolver("oc.env", _environment, replace=True, annotation_validation="off")
    found: list[tuple[Path, str]] = []
    for path, text in [(path, text) for path, text in _texts(stored) if "${" in text]:
        counts = path[0] in used or (path[0] == "uses" and path[2:3] != () and path[2] in used)
        try:
            asked, value = _value(tree, path, text, place)
        except ConfigError:
            if counts:
                raise
            found.append((path, text))
            continue
        if asked and any(is_remote(inner) for _, inner in _texts(value)):
            if counts:
                raise ConfigError(
                    f"{place}: {_path_text(path)}: {text} takes a value of the environment into an address, which a "
                    "checkpoint may not; name the config of its run (--config)"
                )
            found.append((path, text))
    for path, text in found:
        parent: Any = tree
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = _BEGIN.sub(r"\1\1\\${", text)
    return resolve(tree, place)


def _path_text(path: Path) -> str:
    """A path as messages write it: data.train.blend[0].path."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _environment(name: str, *default: Any) -> Any:
    value = oc.env(name, *default)
    asked = _asked.get()
    if asked is not None:
        asked[name] = "" if value is None else str(value)
    return value


def _texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))


def _value(tree: Any, path: Path, text: str, place: str) -> tuple[dict[str, str], Any]:
    """(variables that an expression reads, its value), for the one at a path. Raises ConfigError."""
    asked: dict[str, str] = {}
    token = _asked.set(asked)
    try:
        value = tree
        for step in path:
            value = value[step]
        return asked, OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except (OmegaConfBaseException, ValueError, TypeError, RecursionError) as error:
        if not asked:
            raise ConfigError(f"{place}: {error}") from error
        # Not the text of the error, which quotes the value or pieces of it.
        kind = type(error.__cause__ or error).__name__
        raise ConfigError(f"{place}: {_path_text(path)}: {text} has no value that can be read ({kind})") from None
    finally:
        _asked.reset(token)


def _hide(name: str, value: str) -> None:
    if _is_secret(name, value):
        hide(value, f"${{oc.env:{name}}}")
    for part in secrets_of(value):
        hide(part, HIDDEN)


def _is_secret(name: str, value: str) -> bool:
    if _SECRET_NAME.search(name):
        return len(value) > 2
    return len(value) >= _SHORTEST and not _PLACE.match(value) and not is_remote(value)


def _without_literals(expression: str) -> str:
    """An expression without the secrets of an address that it spells out."""
    gaps = _EXPRESSION.findall(expression)
    bare = _EXPRESSION.sub("\0", expression)
    for part in sorted(secrets_of(bare), key=len, reverse=True):
        if "\0" not in part and "%00" not in part:
            bare = bare.replace(part, HIDDEN)
    pieces = bare.split("\0")
    return pieces[0] + "".join(gap + piece for gap, piece in zip(gaps, pieces[1:], strict=True))
