"""Answer one question about a system: `with_NAME.py VERB JSON`.

Prints one JSON object as the last line."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable

from deliver import ids
from passes import memory, once, read, start
from protocol import Figures, Options, Stream, Unsupported

EXIT_S = 5
"""Seconds that a system has for ending its process."""


def main(load: Callable[[], None], open_stream: Callable[[Options], Stream], convert: Callable[..., None]):
    """Answer the question of the command line."""
    verb, text = sys.argv[1:3]
    options = Options(**json.loads(text))
    try:
        if verb == "convert":
            load()
            convert(options.tars, options.url, *([options.mode.removeprefix("trap ")] if options.mode else []))
            figures: Figures = {}
        else:
            figures = VERBS[verb](load, open_stream, options)
    except Unsupported as reason:
        figures = {"unsupported": str(reason)}
    print("\n" + json.dumps(figures), flush=True)
    # Some systems wait for their workers forever when a pass was not read to its end; the answer is printed already.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(EXIT_S)


VERBS = {"read": read, "once": once, "start": start, "memory": memory, "ids": ids}
