"""Does a small LAVENDER learn the captions of real clips by heart?

    PYTHONPATH=. python benchmarks/learn_corpus_captions.py CORPUS [--seeds 0 1 2] [--out runs/learn_corpus_captions]
        [a.b=c over the runs]

CORPUS holds clips in videos/ and annotations/msrvtt_like in the published forms of MSR-VTT (docs/datasets.md). The
model of learn_lavender.py, from scratch, on the videos of the list MSRVTT_train.9k.csv, two captions each; its
vocabulary has every word of them. Shards are of four small pictures of each clip: decoding would take most of the time.
What is done already is kept.

Scored on the training clips themselves: CIDEr beside the references' own (wanted: 0.60 of it), with black frames (0.20
at most) and another clip's frames (swapped), the clips being in a random order. The unseen clips of the test list are
told without a bar. CPU seconds are of training, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import tell_seeds
from learn_lavender import CLIP, WORDS, run_tree
from learning import call, cider_of, metrics_of, score_once, train_once, write_config, write_vocabulary

STEPS, BATCH = 600, 27
CONTROLS = ("none", "black", "swapped")
TASK = {
    "name": "captioning",
    "clip": CLIP,
    "max_text_tokens": 32,
    "max_caption_tokens": 32,
    "masked_share": 0.7,
    "meteor": False,
}


def build(corpus: Path, data: Path) -> None:
    """Shards of the training and the test list, and the vocabulary."""
    folder = corpus / "annotations" / "msrvtt_like"
    chosen = {
        "train": ["MSRVTT_data.json", "--videos", str(folder / "MSRVTT_train.9k.csv")],
        "test": ["MSRVTT_JSFUSION_test.csv"],
    }
    media = ["--media", str(corpus / "videos"), "--id-map", str(folder / "video_id_to_file.json")]
    media += ["--media-profile", "frames_8", "--num-frames", "4", "--short-side", "96"]
    for name, (file, *options) in chosen.items():
        if not (data / name).is_dir():
            words = ["--annotations", str(folder / file), *options, *media, "--out", str(data / name)]
            call("-m", "tools", "build", "msrvtt", *words)
    if not (data / "shuffled").is_dir():
        call("-m", "tools", "reshard", str(data / "train"), "--out", str(data / "shuffled"), "--shuffle", "0")
    captions = json.loads((folder / "MSRVTT_data.json").read_text())["sentences"]
    text = " ".join(sentence["caption"].lower() for sentence in captions)
    write_vocabulary(data / "vocab.txt", [*WORDS, *re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text)])


def config_of(data: Path, folder: Path, seed: int, split: str | None) -> Path:
    """split: clips to score."""
    tree = run_tree("run", folder, seed, STEPS)
    tree["model"]["vocabulary"] = str(data / "vocab.txt")
    train: dict[str, Any] = {
        "blend": [{"name": "corpus", "path": str(data / "train")}],
        "batch_size": BATCH,
        "threads": 1,
    }
    tree |= {"task": TASK, "objectives": {"masked_lm": {"causal": True}}, "data": {"train": train}}
    if split is not None:
        scored = {"name": f"corpus-{split}", "path": str(data / split), "elements": "sample"}
        tree["data"]["val"] = {"blend": [scored], "batch_size": 45, "threads": 1}
    return write_config(folder / f"{split or 'run'}.yaml", tree)


def one_seed(data: Path, folder: Path, seed: int, more: Sequence[str]) -> dict[str, float]:
    """All figures of a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    took = train_once(config_of(data, folder, seed, None), more)
    for split, controls in (("shuffled", CONTROLS), ("test", CONTROLS[:1])):
        score_once(config_of(data, folder, seed, split), folder / "run", controls, folder / "scores" / split)
    found = {f"{control}_CIDEr": cider_of(folder / "scores/shuffled", control)[0] for control in CONTROLS}
    found["self"] = cider_of(folder / "scores/shuffled")[1]
    found["test_CIDEr"] = metrics_of(folder / "scores/test")["CIDEr"]
    return found | took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpus", type=Path)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, default=Path("runs/learn_corpus_captions"), help="data, runs and scores")
    options.add_argument("overrides", nargs="*", help="a.b=c over all runs")
    given = options.parse_intermixed_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    build(given.corpus, given.out / "data")
    found = [one_seed(given.out / "data", given.out / f"seed-{seed}", seed, given.overrides) for seed in given.seeds]
    tell_seeds("captions of real clips, LAVENDER", given.seeds, found)


if __name__ == "__main__":
    main()
