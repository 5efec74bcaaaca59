"""The scorers by name, and how one is opened; a name with a colon is a Python function of the user."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tools.rows import OptionError
from tools.scores.clip import ClipScorer, checkpoint_digest
from tools.scores.function import find_function, source_digest
from tools.scores.statistics import blur, brightness, motion
from tools.scores.text_area import check_installed, text_area


class Scorer(NamedTuple):
    """A scorer that is ready for work."""

    name: str
    score: Callable[..., Any]
    """(frames uint8 (T, H, W, 3), records, facts) -> a number, a text, None, or a dict of them by column."""
    column: str
    """The column of a value that is no dict."""
    settings: dict[str, Any]
    """What decides its values beside its name."""
    is_foreign: bool = False
    """True for a function of the user: whatever it raises is a failure of its sample."""


SCORERS = {
    "brightness": "mean luma, 0 (black) to 1 (white)",
    "motion": "mean change of luma from one of the frames to the next, 0 (a still picture) to 1",
    "blur": "blur metric of Crete et al. (2007), 0 (sharp) to 1 (no edges)",
    "text_area": "share of the picture that looks like lines of text, 0 to 1; needs OpenCV",
    "clip": "cosine of frames and captions by a CLIP-like --checkpoint, -1 to 1",
}
"""What each gives, for --list."""
_STATISTICS: dict[str, Callable[..., float]] = {
    "brightness": brightness,
    "motion": motion,
    "blur": blur,
    "text_area": text_area,
}


def open_scorer(name: str, checkpoint: Path | None = None, device: str = "cpu") -> Scorer:
    """Make a scorer ready. checkpoint, device: those of clip. Raises OptionError."""
    if ":" in name:
        function = find_function(name)
        column = name.rpartition(":")[2].rpartition(".")[2]
        return Scorer(name, function, column, {"source": source_digest(function)}, is_foreign=True)
    if name == "clip":
        if checkpoint is None:
            raise OptionError("--scorer clip: needs --checkpoint FOLDER, a local CLIP-like checkpoint of transformers")
        scorer = ClipScorer(checkpoint, device)
        return Scorer(name, scorer, name, {"checkpoint": checkpoint_digest(checkpoint), "device": device})
    if name not in _STATISTICS:
        near = difflib.get_close_matches(name, SCORERS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(SCORERS)
        raise OptionError(f"--scorer {name}: unknown; {hint}known: {known}, or a Python function as module:function")
    if name == "text_area":
        check_installed()
    return Scorer(name, _STATISTICS[name], name, {})


def check_names(names: Sequence[str], checkpoint: Path | None) -> None:
    """Refuse (OptionError) scorers that are given twice, none, and options that none of them uses."""
    if not names:
        raise OptionError("give at least one --scorer; --list shows them")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"--scorer {twice[0]} is given twice; leave one out")
    if checkpoint is not None and "clip" not in names:
        raise OptionError("--checkpoint is for --scorer clip, which is not among the scorers; leave it out")
