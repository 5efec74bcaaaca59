"""How many examples does one head need, how many a head for each task? LAVENDER at the demo's size on shapes.

    PYTHONPATH=. python benchmarks/learn_few_shot.py [--seeds 0] [--out runs/learn-lavender] [a.b=c over all runs]

From the weights that `learn_lavender.py` pre-trains on captions (masked words), questions and captions are learned in
STEPS steps from 1, 10, 50 and 100 % of 3,000 clips: the first ones by key, which have all kinds of clips alike. Answers
are of all words of the answers of the 3,000. `words` reads the word at [MASK], `heads` is `model.heads: task`, a
classifier over the answers. Captions are words in either case. Scored on 300 unseen clips: accuracy, and CIDEr as a
share of the references' own; black frames beside both. No bar.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from harness import tell_seeds
from learn_lavender import NUM_CLIPS, build, figures_of, one_seed, run_tree, unseen_of, use_of
from learning import call, score_once, train_once, write_config

STEPS = 400
PERCENT = (1, 10, 50, 100)
CONTROLS = ("none", "black", "swapped", "reversed")


def config_of(folder: Path, seed: int, task: str, heads: str, percent: int, scored: bool) -> Path:
    """A task learned from some of its clips; scored: with the unseen ones."""
    name = f"{task}-{heads}-{percent}"
    use = use_of(task, folder)
    del use["train"]["blend"][1:]
    if percent < 100:
        use["train"]["blend"][0]["path"] = str(folder / "data" / f"{task}-{percent}")
    tree = run_tree(f"few-shot/{name}", folder, seed, STEPS)
    tree |= {"task": use["task"], "objectives": use["objectives"], "data": {"train": use["train"]}}
    tree["init_from"] = str(folder / "pt")
    if heads == "heads":
        tree["model"]["heads"] = "task"
    if scored:
        tree["data"]["val"] = unseen_of(task, folder)
    return write_config(folder / "few-shot" / (f"{name}-scores.yaml" if scored else f"{name}.yaml"), tree)


def of_seed(folder: Path, seed: int, more: Sequence[str]) -> dict[str, float]:
    """All curves of a seed."""
    build(folder, seed, ("captions", "questions"))
    one_seed(folder, seed, ("pt",), more)
    (folder / "few-shot").mkdir(exist_ok=True)
    found: dict[str, float] = {}
    for task, kinds in (("questions", ("words", "heads")), ("captions", ("words",))):
        for percent in PERCENT:
            if percent < 100 and not (folder / "data" / f"{task}-{percent}").is_dir():
                some = ["--split", "train", "--text", task, "--num-clips", str(NUM_CLIPS * percent // 100)]
                out = str(folder / "data" / f"{task}-{percent}")
                call("-m", "tools", "build", "shapes", *some, "--seed", str(seed), "--out", out)
            for heads in kinds:
                took = train_once(config_of(folder, seed, task, heads, percent, scored=False), more)
                run = folder / "few-shot" / f"{task}-{heads}-{percent}"
                out_of_run = folder / "scores-few-shot" / run.name
                score_once(config_of(folder, seed, task, heads, percent, scored=True), run, CONTROLS, out_of_run)
                figures = figures_of(task, out_of_run)
                of_all = "captions_{}_CIDEr" if task == "captions" else "questions_{}"
                for control in ("none", "black"):
                    found[f"{run.name}_{control}"] = figures[of_all.format(control)]
                found[f"{run.name}_cpu_s"] = took["cpu_s"]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--out", type=Path, default=Path("runs/learn-lavender"), help="data, runs and scores")
    options.add_argument("overrides", nargs="*", help="a.b=c over all runs")
    given = options.parse_intermixed_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = [of_seed(given.out / f"seed-{seed}", seed, given.overrides) for seed in given.seeds]
    tell_seeds("LAVENDER from few clips of shapes", given.seeds, found)


if __name__ == "__main__":
    main()
