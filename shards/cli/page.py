"""HTML pages that people open in a browser, made of data that may be hostile.

Promises: a page is one file that loads nothing and runs nothing: its policy allows pictures inside it and its own
style, and nothing else; whatever is put into it is text (escaped), and printable: nothing hides in it, and nothing
reverses a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shards.base.safe_text import printable

if TYPE_CHECKING:
    from jinja2 import Template

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
"""
"""How every page begins; what comes after is under the policy."""


def page_template(body: str) -> Template:
    """The template of a page, from its title on. What a variable says is text."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, finalize=_shown)
    return environment.from_string(HEAD + body)


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value
