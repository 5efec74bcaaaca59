"""Is one model of five uses as good as five models of one? LAVENDER at the demo's size on shapes.

    PYTHONPATH=. python benchmarks/learn_uses.py [--seeds 0] [--out runs/learn-lavender] [a.b=c over the run]

One run from scratch, of captions, questions, blanks, choices and retrieval, with as many steps in all as the runs of
`learn_lavender.py` have together, and each use as many as its own. Those runs are in the same folder or made first.
`uses_X` is a figure of the one model on 300 unseen clips, X that of the model of its own: accuracy, R@10 of text to
video, and CIDEr as a share of the references' own. Wanted: at most 0.1 below the own model, and at least 0.3 above the
commonest answer of each type (choices: 0.2, retrieval: 0.033, captions: 0).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from harness import tell_seeds
from learn_lavender import FIRST, FOLLOWING, STEPS, build, figures_of, one_seed, run_tree, unseen_of, use_of
from learning import call, scores_of, train_once, write_config

USES = (FIRST, *FOLLOWING)
FIGURES = {"captions": "captions_none_CIDEr", "retrieval": "retrieval_none_R10"}
CONTROLS = ("none", "black", "swapped", "reversed")


def config_of(folder: Path, seed: int, scored: bool) -> Path:
    """The run of all uses. scored: with the unseen clips, which are scored at the end and not in training. No clip of
    training is scored: each kind of text has clips of its own, and captions and retrieval share theirs."""
    tree = run_tree("uses", folder, seed, sum(STEPS[use] for use in USES))
    tree |= {"leaks": "checked", "sampling": "weights"}
    tree["uses"] = {use: {**use_of(use, folder), "weight": STEPS[use]} for use in USES}
    if scored:
        for use in USES:
            tree["uses"][use]["val"] = unseen_of(use, folder)
    return write_config(folder / ("uses-scores.yaml" if scored else "uses.yaml"), tree)


def of_seed(folder: Path, seed: int, more: Sequence[str]) -> dict[str, float]:
    """Figures of the one model and of those of their own."""
    build(folder, seed, USES)
    alone = one_seed(folder, seed, USES, more)
    took = train_once(config_of(folder, seed, scored=False), more)
    config, found = config_of(folder, seed, scored=True), {f"uses_{name}": value for name, value in took.items()}
    for use in USES:
        out = folder / "scores-of-uses" / use
        missing = [name for name in CONTROLS if not (scores_of(out, name) / "metrics.json").is_file()]
        if missing:
            asked = ["--config", str(config), "--checkpoint", str(folder / "uses"), "--select", "latest"]
            asked += ["--split", "val", "--use", use, *(f"--control={name}" for name in missing)]
            call("-m", "mcg.evaluate", *asked, "--out", str(out))
        figures = figures_of(use, out)
        name = FIGURES.get(use, f"{use}_none")
        found |= {f"uses_{name}": figures[name], name: alone[name]}
        black = name.replace("none", "black")
        found |= {f"uses_{black}": figures[black]}
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--out", type=Path, default=Path("runs/learn-lavender"), help="data, runs and scores")
    options.add_argument("overrides", nargs="*", help="a.b=c over the run")
    given = options.parse_intermixed_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = [of_seed(given.out / f"seed-{seed}", seed, given.overrides) for seed in given.seeds]
    tell_seeds("LAVENDER of several uses on shapes", given.seeds, found)


if __name__ == "__main__":
    main()
