"""Numbers of the environment: a mistake is one line that names the variable, wherever it is met."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from shards.base.environment import number_from_environment, user_cache
from shards.base.errors import ConfigError
from shards.cli.app import app
from shards.storage.open import open_source


@pytest.mark.parametrize("text", ["5s", "-1", "0", "nan", "inf", "1e999", "five", "\x1b[31m5", "x" * 5000])
def test_what_is_no_number_is_refused_with_the_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MCG_SOURCE_DEADLINE", text)
    expected = r"^environment variable MCG_SOURCE_DEADLINE='.{1,60}': expected a number of seconds above 0, e\.g\. MCG_"
    with pytest.raises(ConfigError, match=expected):
        open_source("memory://anywhere").list()
    done = CliRunner().invoke(app, ["ls", "memory://anywhere"])
    assert done.exit_code == 2 and done.stderr.startswith("error: environment variable MCG_SOURCE_DEADLINE=")
    assert done.stderr.count("\n") == 1 and "bug" not in done.stderr


@pytest.mark.parametrize(("text", "number"), [("5", 5.0), (" 0.5 ", 0.5), ("1e3", 1000.0), ("", 300.0)])
def test_numbers_are_taken(monkeypatch: pytest.MonkeyPatch, text: str, number: float) -> None:
    monkeypatch.setenv("MCG_SOURCE_DEADLINE", text)
    assert number_from_environment("MCG_SOURCE_DEADLINE", 300, "seconds") == number


def test_caches_lie_where_the_user_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache("search") == Path("/somewhere/mcg-streams/search")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/anyone")
    assert user_cache("search") == Path("/home/anyone/.cache/mcg-streams/search")
