"""What captions must be to be scored: one for every video that has references, of a bounded size, with words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from shards.base import PrintableError

MOST_CHARACTERS = 200_000
"""Of a caption: the tokenizer's time grows with the square of some."""
MOST_WORDS = 2_000
"""Of a caption after the tokenizer: METEOR and ROUGE-L compare every word with every word."""
_SHOWN = 3

Place = Callable[[str, str, int], str]
"""("reference" or "prediction", video, number from 0) -> where that caption is, for errors."""


class CaptionError(PrintableError, ValueError):
    """Captions that cannot be scored; names the video and the caption."""


def place_in_mappings(kind: str, video: str, number: int) -> str:
    """Where a caption is that comes from no file."""
    return f"reference {number + 1} of video {video!r}" if kind == "reference" else f"the prediction for {video!r}"


def check_captions(references: Mapping[str, Sequence[str]], predictions: Mapping[str, str], place: Place) -> None:
    """Refuse, with CaptionError, what cannot be scored as it stands."""
    if not references:
        raise CaptionError("there are no references to score against")
    for video, texts in references.items():
        if isinstance(texts, str) or not texts:
            raise CaptionError(f"video {video!r} needs a list of one or more references, found {texts!r}")
    strange = [place("prediction", video, 0) for video in predictions if video not in references]
    if strange:
        raise CaptionError(f"{_first(strange)}: a prediction without references; take it out, or add them")
    missing = [place("reference", video, 0) for video in references if video not in predictions]
    if missing:
        raise CaptionError(f"{_first(missing)}: a video without prediction, and every video is scored")
    for kind, video, number, text in _each(references, predictions):
        if not isinstance(text, str):
            raise CaptionError(f"{place(kind, video, number)} is {text!r}, and must be a text")
        if len(text) > MOST_CHARACTERS:
            raise CaptionError(
                f"{place(kind, video, number)} has {len(text):,} characters, the limit is {MOST_CHARACTERS:,}"
            )


def check_words(
    references: Mapping[str, Sequence[str]], predictions: Mapping[str, str], place: Place, keep_empty: bool
) -> dict[str, int]:
    """The number of texts without a word, by kind, where they are kept. Raises CaptionError for them where they are
    not, for texts of too many words, and where no reference has one."""
    empty = {"reference": 0, "prediction": 0}
    for kind, video, number, tokens in _each(references, predictions):
        empty[kind] += not tokens
        if not tokens and not keep_empty:
            raise CaptionError(
                f"{place(kind, video, number)} has no word after the tokenizer; change it, or let texts of no words be "
                "scored (--keep-empty)"
            )
        if (count := len(tokens.split())) > MOST_WORDS:
            raise CaptionError(f"{place(kind, video, number)} has {count:,} words, the limit is {MOST_WORDS:,}")
    if empty["reference"] == sum(map(len, references.values())):
        raise CaptionError("no reference has a word")
    return empty


def _each(
    references: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> Iterator[tuple[str, str, int, str]]:
    for video, texts in references.items():
        yield from (("reference", video, number, text) for number, text in enumerate(texts))
    yield from (("prediction", video, 0, text) for video, text in predictions.items())


def _first(places: Sequence[str]) -> str:
    return "; ".join(places[:_SHOWN]) + (f" and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else "")
