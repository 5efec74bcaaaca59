"""Does ALPRO learn, at the demo's size? The prompter, then pre-training with four losses, scored on unseen clips.

    PYTHONPATH=. python benchmarks/learn_alpro.py [--seeds 0 1 2] [--out runs/learn-alpro] [a.b=c over both runs]

Per seed, clips and training both: 3,000 clips of moving shapes with captions are built, and 300 unseen ones; the
prompter is trained on the contrast alone, half of its captions in one of the 12 templates for videos, so that prompts
("A video of a red.") look like captions; then ALPRO on contrast, matching, masked words and entity prompting,
1 : 1 : 1 : 1. Both are configs/demo/pt.yaml but for the layers of the text (2 and 2 that fuse), heads, losses, rate,
batches of 64, 2 frames. The prompter learns from random boxes of its clips: shown whole ones alone it is sure of
regions that show nothing. Every other batch of the four losses is of clips in which one shape moves: of 64 of these, 2
to a clip differ from it in the direction alone, of 64 clips of all kinds 0.65. What is done already is kept.

Scored by `python -m mcg.evaluate`: text to video over all pairs of the 300 clips. Two clips may have one caption, word
for word; ids tell the queries apart, so of g such clips a model that knows the caption alone puts the right one first
with 1 / g: `R1_ceiling` is the share of different captions. `move_R1` is R1 among the clips of one shape that moves.
Controls: black frames (R10 by the mean place over ties), another clip's frames, the frames backwards.
The prompter alone: CROPS crops of each unseen clip that moves; entities are 6 colours, 4 shapes and 6 words of no
caption. `color` is the share of kept crops (best entity at least 0.2) whose best colour is right;
`color_by_color_1` to `_3` that of thirds of all crops by the probability of the best colour, least first, and
`color_by_any` by that of the best entity. `idle_share` is the probability of the 6 words together, `idle_best` the
share of crops of which one of them is the best entity.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import tell_seeds
from learning import build_shapes, predictions_of, score_once, train_once, write_config, write_kinds, write_vocabulary

CLIPS = {"train": 3000, "val": 300}
DEMO = "configs/demo/pt.yaml"
SIDE, PATCH = 64, 16
NUM_ENTITIES = 16
IDLE = ("dragon", "horse", "kiwi", "flag", "cup", "rabbit")
"""Entities that occur in no caption of shapes; the demo's vocabulary has them for samples/."""
CROPS = 20
STEPS = {"prompter": 150, "pt": 580}
BATCH = 64
NUM_FRAMES = 2
"""Half the cost of the demo's 4, and movement is as visible."""
CROPPED = {"fit": "random_resized_crop", "crop_area": [0.3, 1.0], "crop_aspect": [0.3, 3.3]}
"""Of the prompter's clips."""
PICTURES = ("--media-profile", "frames_8", "--num-frames", "4")
"""Four pictures of each clip: decoding was a sixth of a step."""
CONTROLS = ("none", "black", "swapped", "reversed")


def build(folder: Path, seed: int) -> None:
    """The clips, the captions of the prompter (a side table), the vocabulary and the entities, in `folder`."""
    build_shapes(folder, "captions", seed, CLIPS["train"], CLIPS["val"], PICTURES)
    write_kinds(folder / "kinds.parquet", "captions", CLIPS["train"])
    _write_words(folder)
    _write_prompted(folder, seed)


def _write_words(folder: Path) -> None:
    """Entities, and the vocabulary with the words of the templates: in letters a prompt has more than 15 tokens."""
    from mcg.model.parts.prompter import IMAGE_TEMPLATES, VIDEO_TEMPLATES
    from tools.datasets.shapes import COLORS, SHAPES

    write_vocabulary(
        folder / "vocab.txt", " ".join((*VIDEO_TEMPLATES, *IMAGE_TEMPLATES)).lower().replace("{}.", "").split()
    )
    (folder / "entities.txt").write_text("\n".join([*COLORS, *SHAPES, *IDLE]) + "\n")


def _write_prompted(folder: Path, seed: int) -> None:
    """Of each clip of train 24 texts, of which one is drawn in each pass: 12 times the caption, and each of the 12
    templates around a run of its words that begins with a colour or a shape."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mcg.model.parts.prompter import VIDEO_TEMPLATES
    from shards.order import rng
    from tools.datasets.shapes import COLORS, SHAPES, Scene

    keys, texts = [], []
    for number in range(CLIPS["train"]):
        caption = Scene.draw(seed, "train", "captions", number).caption
        keys.append(f"train-captions-{number:06d}")
        draw, words, prompts = rng(seed, "prompted", 0, "", keys[-1], 0, 0, "words"), caption.split(), []
        begins = [place for place, word in enumerate(words) if word in COLORS or word in SHAPES]
        for template in VIDEO_TEMPLATES:
            begin = int(draw.choice(begins))
            end = int(draw.integers(begin + 1, len(words) + 1))
            prompts.append(template.format(" ".join(words[begin:end])))
        texts.append([caption] * len(prompts) + prompts)
    table = pa.table({"key": keys, "text": pa.array(texts, pa.list_(pa.string()))})
    pq.write_table(table, folder / "prompted.parquet")


def config_of(stage: str, folder: Path, seed: int) -> Path:
    """The config of a stage, or of the scoring: the demo's with other text layers, heads, losses and data."""
    from mcg.config import read_yaml

    tree = read_yaml(DEMO)
    train: dict[str, Any] = {"name": "shapes", "path": f"{folder}/data/train"}
    unseen: dict[str, Any] = {"name": "shapes-unseen", "path": f"{folder}/data/unseen"}
    tree |= {"seed": seed, "run_dir": str(folder / stage), "engine": {**tree["engine"], "threads": 1}}
    tree["model"]["vocabulary"] = f"{folder}/data/vocab.txt"
    text = {"num_layers": 4, "num_fusion_layers": 2, "num_decoder_layers": 0, "token_head": "tied"}
    tree["model"]["text"] |= text  # of the prompter too, which never fuses: pre-training starts from its weights
    tree["schedule"] = {"length": {"steps": STEPS.get(stage, 1)}, "warmup": {"steps": 20}, "decay": "linear"}
    tree["optim"]["lr"] = 1e-3
    tree["task"]["clip"]["num_frames"] = tree["model"]["vision"]["num_frames"] = NUM_FRAMES
    tree["task"]["masked_share"] = 0.5
    blend = [train]
    if stage == "prompter":
        tree["objectives"] = {"contrastive": {}}
        tree["task"]["clip"] |= CROPPED
        train |= {"elements": "sample", "texts": f"{folder}/data/prompted.parquet"}
    else:
        tree["model"] |= {"matching_head": True, "num_entities": NUM_ENTITIES}
        prompting = {"prompter": f"{folder}/prompter", "entities": f"{folder}/data/entities.txt"}
        prompting["num_entities"] = NUM_ENTITIES
        tree["objectives"] = {"contrastive": {}, "matching": {}, "masked_lm": {}, "entity_prompting": prompting}
    if stage == "pt":
        tree["init_from"] = f"{folder}/prompter"
        moves = {"name": "shapes-move", "side": [f"{folder}/data/kinds.parquet"], "where": 'scene == "move"'}
        blend = [train, {**train, **moves}]
    if stage == "scores":
        tree["task"] = {"name": "retrieval", "clip": tree["task"]["clip"], "ranking": "matching", "pairs_at_once": 300}
        unseen["elements"] = "sample"
    tree["data"]["train"] |= {"blend": blend, "threads": 1, "batch_size": 1 if stage == "scores" else BATCH}
    tree["data"]["val"] |= {"blend": [unseen], "threads": 1}
    return write_config(folder / f"{stage}.yaml", tree)


def train(stage: str, folder: Path, seed: int, more: Sequence[str]) -> dict[str, float]:
    """Train a stage; seconds of CPU and wall."""
    took = train_once(config_of(stage, folder, seed), more)
    return {f"{stage}_{name}": value for name, value in took.items()}


def score(folder: Path, seed: int) -> dict[str, float]:
    """Text to video on the unseen clips, by both rankings, and under controls."""
    out = folder / "scores"
    score_once(config_of("scores", folder, seed), folder / "pt", CONTROLS, out)
    found: dict[str, float] = {}
    for control in CONTROLS:
        texts = [line for line in predictions_of(out, control) if line["direction"] == "text_to_video"]
        of_move = [line for line in texts if _moves(line["caption"])]
        for ranking in ("contrast", "matching"):
            name = ranking if control == "none" else f"{control}_{ranking}"
            if control in ("none", "swapped"):
                found[f"{name}_R10"] = _recall(texts, ranking, 10)
            if control == "black":
                found[f"{name}_R10"] = _recall(texts, ranking, 10, tied=0.5)
            if control == "none":
                found[f"{name}_R1"] = _recall(texts, ranking, 1)
            if control in ("none", "reversed"):
                found[f"{name}_move_R1"] = _recall(of_move, ranking, 1)
        if control == "none":
            for name, some in (("R1_ceiling", texts), ("move_R1_ceiling", of_move)):
                found[name] = len({line["caption"] for line in some}) / len(some)
    return found


def _moves(caption: str) -> bool:
    """Whether a caption is of a clip in which one shape crosses the picture."""
    return " moves " in caption and " and " not in caption


def _recall(lines: Sequence[dict[str, Any]], ranking: str, k: int, tied: float = 1.0) -> float:
    """Share of queries whose video stands among the first k. tied: the part of those with its score before it."""
    places = [1 + ahead + tied * ties for ahead, ties in (line["places"][ranking] for line in lines)]
    return sum(place <= k for place in places) / len(places)


def score_prompter(folder: Path, seed: int) -> dict[str, float]:
    """Which entities the prompter names in crops of the unseen clips that move."""
    import torch

    from mcg.config import load_config
    from mcg.objectives.objective import Start
    from mcg.objectives.prompting.prompter_folder import open_prompter
    from mcg.objectives.prompting.regions import draw_boxes, inside
    from mcg.text import open_texts
    from shards import Loader
    from tools.datasets.shapes import COLORS

    config = load_config(folder / "pt.yaml")
    prompting, data = config.objectives.entity_prompting, config.data.val
    assert prompting is not None and data is not None
    prompter = open_prompter(prompting, Start(folder / "pt", config.model, config.task.clip, torch.device("cpu")))
    task, colors = config.task.build(open_texts(config.model)), list(COLORS)
    labels, truth = [], []
    with Loader(data, 0, 1, task.encode_for_evaluation) as loader:
        for batch in loader:
            moving = [slot for slot in np.flatnonzero(batch.valid) if _moves(batch.meta[slot]["caption"])]
            for slot in moving:
                numbers = np.arange(CROPS) + CROPS * len(truth)
                boxes = torch.from_numpy(inside(draw_boxes(seed, numbers, SIDE, PATCH), SIDE // PATCH))
                canvas = boxes.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
                frames = torch.as_tensor(batch.frames[slot])[None] * canvas[:, None, :, :, None]
                labels.append(prompter.label(frames, torch.zeros(CROPS, dtype=torch.bool)).numpy())
                truth.append(colors.index(batch.meta[slot]["caption"].split()[1]))
    label_NK = np.concatenate(labels)
    right = label_NK[:, : len(colors)].argmax(1) == np.repeat(truth, CROPS)
    kept = label_NK.max(1) >= prompting.min_confidence
    found = {"kept": float(kept.mean()), "color": float(right[kept].mean())}
    for name, confidence in (("color", label_NK[:, : len(colors)].max(1)), ("any", label_NK.max(1))):
        thirds = np.array_split(right[np.argsort(confidence, kind="stable")], 3)
        found |= {f"color_by_{name}_{n}": float(part.mean()) for n, part in enumerate(thirds, start=1)}
    return {
        **found,
        "idle_share": float(label_NK[:, -len(IDLE) :].sum(1).mean()),
        "idle_best": float((label_NK.argmax(1) >= NUM_ENTITIES - len(IDLE)).mean()),
    }


def one_seed(folder: Path, seed: int, more: Sequence[str]) -> dict[str, float]:
    """All figures of a seed."""
    if not (folder / "data/prompted.parquet").is_file():
        build(folder / "data", seed)
    took = train("prompter", folder, seed, more) | train("pt", folder, seed, more)
    took |= {"cpu_s": took["prompter_cpu_s"] + took["pt_cpu_s"], "s": took["prompter_s"] + took["pt_s"]}
    return {**score(folder, seed), **score_prompter(folder, seed), **took}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, default=Path("runs/learn-alpro"), help="data, runs and scores")
    options.add_argument("overrides", nargs="*", help="a.b=c over both runs")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found = [one_seed(given.out / f"seed-{seed}", seed, given.overrides) for seed in given.seeds]
    tell_seeds("ALPRO on shapes", given.seeds, found)


if __name__ == "__main__":
    main()
