"""Does LAVENDER learn, at the demo's size? Captions, questions, blanks, choices and retrieval by the word at [MASK].

    PYTHONPATH=. python benchmarks/learn_lavender.py [--seeds 0 1 2] [--tasks captions questions blanks choices ...]
        [--out runs/learn-lavender] [a.b=c over all runs]

Video Swin of three stages and a BERT of two layers, 4 frames of 64 pixels, 0.85 M weights. Per seed, clips and training
both: captions are learned from scratch on 3,000 clips of moving shapes, because each word of a caption is a label;
questions, blanks, choices and retrieval on 3,000 clips each, from the weights that captions have left, and `cpu_s`
counts both. Scored by `python -m mcg.evaluate` on 300 unseen clips. What is done already is kept.

questions  an answer of the words of all answers in training; `commonest` is what the commonest answer of each type
           scores
pt         masked words of captions alone, from scratch; `zero_shot` is this model on questions and blanks, of which it
           has never seen one, `zero_shot_open` by the likeliest word of the whole vocabulary
blanks     the missing colour, shape or direction of a caption
choices    the number of the right one of five captions, by chance 0.2
captions   CIDEr beside the references' own: the mean over the videos of the first caption against all, itself included.
           Of clips in which one shape moves, how often the caption has the right direction and the opposite one;
           of clips with one to four shapes, how often the right number
retrieval  R@10 of text to video among the 300, by chance 0.033

Controls: black frames, another clip's frames (swapped), the frames backwards (reversed), under which `direction` is the
share of true directions, and `opposite` that of opposite ones.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import tell_seeds
from learning import (
    build_shapes,
    cider_of,
    metrics_of,
    predictions_of,
    score_once,
    train_once,
    write_config,
    write_kinds,
    write_vocabulary,
)

NUM_CLIPS, NUM_UNSEEN = 3000, 300
CONTROLS = ("none", "black", "swapped", "reversed")
CLIP = {"num_frames": 4, "size": 64, "sampling": "uniform"}
MODEL = {
    "name": "lavender",
    "max_frames": 4,
    "max_patches": 16,
    "position_std": 1.0,
    # narrow and from scratch: spread of the first weights as in configs/demo/pt.yaml, about 1 / sqrt(width)
    "vision": {
        "width": 24,
        "depths": [1, 1, 2],
        "num_heads": [1, 2, 4],
        "window": [4, 4, 4],
        "drop_path": 0.0,
        "init_std": 0.2,
    },
    "text": {"width": 128, "num_layers": 2, "num_heads": 4, "max_positions": 128, "dropout": 0.0, "init_std": 0.1},
}
STEPS = {"pt": 1200, "captions": 1200, "questions": 1500, "blanks": 500, "choices": 800, "retrieval": 800}
TASKS: dict[str, dict[str, Any]] = {
    "pt": {"name": "pretrain", "max_text_tokens": 20, "masked_share": 0.5},
    "questions": {"name": "open_qa", "max_question_tokens": 16, "answering": "masked_word"},
    "blanks": {"name": "open_qa", "max_question_tokens": 20, "answering": "masked_word"},
    "captions": {
        "name": "captioning",
        "max_text_tokens": 20,
        "max_caption_tokens": 20,
        "masked_share": 0.7,
        "meteor": False,
    },
    "choices": {"name": "multiple_choice", "max_question_tokens": 112, "choosing": "numbered"},
    "retrieval": {"name": "retrieval", "max_text_tokens": 20, "ranking": "matching", "pairs_at_once": 300},
}
FIRST, FOLLOWING = "captions", ("questions", "blanks", "choices", "retrieval")
"""The task that is learned from scratch, and those that begin with its weights."""
BATCH = 16
WORDS = ("true", "false", "answer", "option")
"""Words of the layout that the demo's vocabulary lacks."""


def text_of(stage: str) -> str:
    """The kind of text of the clips of a stage."""
    return "captions" if stage in ("pt", "retrieval") else stage


def use_of(stage: str, folder: Path) -> dict[str, Any]:
    """Task, objectives and training data of a stage."""
    data = folder / "data" / text_of(stage)
    task = {**TASKS[stage], "clip": CLIP}
    if stage in ("questions", "blanks"):
        task["answer_list"] = str(data / "train")
    objectives: dict[str, Any] = {"masked_lm": {"causal": True} if stage == "captions" else {}}
    if stage == "retrieval":
        objectives = {"batch_matching": {"texts_per_video": 6}}
    blend: list[dict[str, Any]] = [{"name": f"shapes-{stage}", "path": str(data / "train")}]
    if stage == "questions":  # half of the batches are of the hardest kind of clip
        of_order = {"name": "shapes-order", "side": [str(data / "kinds.parquet")], "where": 'scene == "order"'}
        blend.append({**blend[0], **of_order})
    return {"task": task, "objectives": objectives, "train": {"blend": blend, "batch_size": BATCH, "threads": 1}}


def unseen_of(stage: str, folder: Path) -> dict[str, Any]:
    """The loader of the clips that a stage is scored on."""
    unseen = {"name": f"shapes-{stage}-unseen", "path": str(folder / "data" / text_of(stage) / "unseen")}
    unseen["elements"] = "sample" if stage in ("captions", "retrieval") else "record"
    return {"blend": [unseen], "batch_size": 50, "threads": 1}


def run_tree(name: str, folder: Path, seed: int, steps: int) -> dict[str, Any]:
    """What all runs have in common."""
    return {
        "run_dir": str(folder / name),
        "seed": seed,
        "model": {**MODEL, "vocabulary": f"{folder}/data/vocab.txt"},
        "optim": {
            "lr": 5e-4,
            "eps": 1e-8,
            "weight_decay": 0.01,
            "groups": {
                r"vision\.(?!.*bias_table$).+": {"lr_factor": 2.0},
                r"vision\..+bias_table": {"lr_factor": 20.0},  # offsets in space and time, from nearly nothing
            },
        },
        "schedule": {"length": {"steps": steps}, "warmup": {"steps": 40}, "decay": "cosine"},
        "engine": {"zero_stage": 0, "gradient_clipping": 1.0, "threads": 1},
        "log": {"every_steps": 50, "evaluate_at_start": False},
    }


def config_of(stage: str, folder: Path, seed: int) -> Path:
    """The config of a stage: pre-training (pt), captions, or another task from the weights of captions."""
    use = use_of(stage, folder)
    tree = run_tree(stage, folder, seed, STEPS[stage])
    tree |= {"task": use["task"], "objectives": use["objectives"], "data": {"train": use["train"]}}
    if stage in FOLLOWING:
        tree["init_from"] = str(folder / FIRST)
    return write_config(folder / f"{stage}.yaml", tree)


def scoring_config(stage: str, folder: Path, seed: int) -> Path:
    """The same with the unseen clips: they are scored once, at the end and not in training."""
    from mcg.config import read_yaml

    tree = read_yaml(config_of(stage, folder, seed))
    tree["data"]["val"] = unseen_of(stage, folder)
    return write_config(folder / f"{stage}-scores.yaml", tree)


def build(folder: Path, seed: int, stages: Iterable[str]) -> None:
    """The clips of these stages, unless they are there, and the vocabulary."""
    for text in {text_of(stage) for stage in stages}:
        if not (folder / "data" / text / "unseen").is_dir():
            build_shapes(folder / "data" / text, text, seed, NUM_CLIPS, NUM_UNSEEN)
        write_kinds(folder / "data" / text / "kinds.parquet", text, NUM_CLIPS)
    write_vocabulary(folder / "data" / "vocab.txt", WORDS)


def one_seed(folder: Path, seed: int, tasks: Sequence[str], more: Sequence[str]) -> dict[str, float]:
    """All figures of a seed."""
    build(folder, seed, (FIRST, *tasks))
    found: dict[str, float] = {}
    for task in tasks:
        before = train_once(config_of(FIRST, folder, seed), more) if task in FOLLOWING else {}
        took = train_once(config_of(task, folder, seed), more)
        found |= {f"{task}_{name}": value + before.get(name, 0.0) for name, value in took.items()}
        if task != "pt":
            score_once(scoring_config(task, folder, seed), folder / task, CONTROLS, folder / "scores" / task)
            found |= figures_of(task, folder / "scores" / task)
    if "pt" in tasks:
        for task in sorted({"questions", "blanks"} & {*tasks}):
            out = folder / "scores" / f"{task}-zero-shot"
            score_once(scoring_config(task, folder, seed), folder / "pt", ("none",), out)
            zero = metrics_of(out)
            found |= {f"{task}_zero_shot": zero["accuracy"]["overall"]}
            found |= {f"{task}_zero_shot_{kind}": share for kind, share in zero["accuracy"]["by_type"].items()}
            found |= {f"{task}_zero_shot_open": zero["open_vocabulary"]["overall"]}
    return found


def figures_of(task: str, out: Path) -> dict[str, float]:
    """What a scored stage or use has reached."""
    if task == "retrieval":
        figures = {control: metrics_of(out, control)["text_to_video"] for control in CONTROLS}
        return {f"retrieval_{control}_R10": each["R10"] for control, each in figures.items()}
    return _captions(task, out) if task == "captions" else _answers(task, out)


def _answers(task: str, out: Path) -> dict[str, float]:
    """Accuracy, of each type too, and under controls."""
    figures = {control: metrics_of(out, control)["accuracy"] for control in CONTROLS}
    found = {f"{task}_{control}": figures[control]["overall"] for control in CONTROLS}
    found |= {f"{task}_{kind}": share for kind, share in figures["none"]["by_type"].items()}
    found |= {f"{task}_commonest": metrics_of(out)["baseline"]["overall"]}
    if task == "choices":
        return found
    asked = [one for one in predictions_of(out, "reversed") if one["type"] == "direction"]
    return found | _directions(f"{task}_reversed", [(one["answer"], one["prediction"]) for one in asked])


def _captions(task: str, out: Path) -> dict[str, float]:
    """CIDEr as a share of the references' own, and the words of direction and number."""
    from tools.datasets.shapes import NUMBERS, OPPOSITE

    found = {}
    for control in CONTROLS:
        found[f"captions_{control}_CIDEr"], found["captions_self"] = cider_of(out, control)
        told = predictions_of(out, control)
        pairs = [(one["references"][0].split(), one["prediction"].replace(":", " : ").split()) for one in told]
        moving = [(right[-1], "".join(given[-1:])) for right, given in pairs if right[-1] in OPPOSITE]
        found |= _directions(f"captions_{control}", moving)
        counted = ["".join(given[:1]) == right[0] for right, given in pairs if right[0] in NUMBERS]
        found[f"captions_{control}_number"] = sum(counted) / len(counted)
    return found


def _directions(name: str, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """How often a direction that was given is the true one, and the opposite one. pairs: (true, given)."""
    from tools.datasets.shapes import OPPOSITE

    return {
        f"{name}_direction": sum(given == true for true, given in pairs) / len(pairs),
        f"{name}_opposite": sum(given == OPPOSITE[true] for true, given in pairs) / len(pairs),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    options.add_argument("--out", type=Path, default=Path("runs/learn-lavender"), help="data, runs and scores")
    options.add_argument("overrides", nargs="*", help="a.b=c over all runs")
    given = options.parse_intermixed_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = [one_seed(given.out / f"seed-{seed}", seed, given.tasks, given.overrides) for seed in given.seeds]
    tell_seeds("LAVENDER on shapes", given.seeds, found)


if __name__ == "__main__":
    main()
