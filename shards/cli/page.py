"""HTML pages made of data that may be hostile.

Promises: a page is one file that loads nothing and runs nothing: its content security policy allows pictures inside
it, its own style, and nothing else; a page with SCRIPTED_POLICY may also use files of its own folder. Every value is
escaped and printable, so it cannot hide text or reverse a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shards.base.safe_text import printable

if TYPE_CHECKING:
    from jinja2 import Template

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SCRIPTED_POLICY = (
    "default-src 'none'; script-src 'self' file:; img-src data: 'self' file:; media-src 'self' file:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""The policy of a page that loads scripts, pictures and films which lie beside it; a script inside the page never
runs. Opened as a file, some browsers take `self` for nothing, hence `file:`."""
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="%s">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
"""
"""The beginning of every page; the policy holds for what follows."""


def page_template(body: str, policy: str = POLICY) -> Template:
    """The template of a page, from its title on. Values of variables are escaped."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, finalize=_shown)
    return environment.from_string(_HEAD % policy + body)


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value
