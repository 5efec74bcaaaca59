"""The configs of the repository made small, to run in seconds on a CPU: overrides that keep the kinds of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcg.config import RunConfig, load_config, read_yaml
from mcg.config.uses import of_use

ROOT = Path(__file__).resolve().parents[1]
_SMALL = (
    "init=[]",
    "schedule.length.passes=null",
    "model.text.width=32",
    "model.text.num_heads=2",
    "engine.threads=1",
)
_SMALL_USE = ("task.clip.size=32", "data.train.threads=1", "data.train.batch_size=4")
_SMALL_MCG = (
    "model.vision.image_size=32",
    "model.vision.depth=1",
    "model.vision.width=32",
    "model.vision.num_heads=2",
    "model.contrastive_width=16",
)
_SMALL_LAVENDER = (
    "model.vision.width=8",
    "model.vision.depths=[1,1]",
    "model.vision.num_heads=[1,2]",
    "model.vision.window=[2,4,4]",
    "model.text.num_layers=2",
)
_SMALL_T2VLP = (
    "model.vision.image_size=32",
    "model.vision.width=32",
    "model.vision.num_heads=2",
    "model.vision.num_layers=2",
    "model.vision.contrastive_width=32",
    "model.text.num_layers=2",
    "model.text.contrastive_width=32",
)


def shrink(
    name: str,
    answers: Path,
    wordnet: Path,
    steps: int = 2,
    num_frames: int = 2,
    init_from: Path | None = None,
    prompter: Path | None = None,
) -> list[str]:
    """Overrides for a run of `steps` steps with batches of 4 of a config under the repository's root, from scratch or
    from another run.

    prompter: the run of one, for entity prompting. answers: a dataset whose answers a classifier chooses from; wordnet:
    a folder with WordNet's files.
    """
    config, tree = load_config(ROOT / name), read_yaml(ROOT / name)
    overrides = [
        *_SMALL,
        f"init_from={init_from or 'null'}",
        f"schedule.length.steps={steps}",
        *_small_model(config.model, num_frames),
    ]
    if config.uses:  # the lists are not there
        overrides.append("leaks=checked")
    for use, own in config.alone.items():
        task = (tree["uses"][use] if use else tree)["task"]
        found = _small_use(own, task, answers, wordnet, num_frames, prompter)
        overrides += [of_use(use, override) for override in found]
    return overrides


def _small_use(
    config: RunConfig, task: dict[str, Any], answers: Path, wordnet: Path, num_frames: int, prompter: Path | None
) -> list[str]:
    """The overrides of one use; task: as its file has it."""
    splits = [split for split in ("val", "test") if getattr(config.data, split) is not None]
    overrides = [
        *_SMALL_USE,
        f"task.clip.num_frames={num_frames}",
        *(f"data.{split}.{setting}" for split in splits for setting in ("batch_size=4", "threads=1")),
    ]
    if any(dataset.exclude for dataset in config.data.train.blend):
        overrides.append("data.train.blend.0.exclude=[]")
    for split in splits:  # of a few clips none may fit
        blend = enumerate(getattr(config.data, split).blend)
        overrides += [f"data.{split}.blend.{number}.where=null" for number, dataset in blend if dataset.where]
    if config.task.clip.resize:
        overrides.append("task.clip.resize=36")
    if config.objectives.entity_prompting is not None:
        settings = {"prompter": prompter, "entities": ROOT / "tests/mcg/entities.txt", "num_entities": 6}
        overrides += [f"objectives.entity_prompting.{field}={value}" for field, value in settings.items()]
    if getattr(config.task, "answer_list", None):
        overrides.append(f"task.answer_list={answers}")
    if config.task.name == "captioning":
        overrides += [f"task.training_captions={answers.parent / 'captions'}", "task.meteor=false"]
    if task.get("metric") == "wups":
        overrides.append(f"task.wordnet={wordnet}")
    return overrides


def _small_model(model: Any, num_frames: int) -> list[str]:
    if model.name == "lavender":
        return [*_SMALL_LAVENDER]
    return _small_t2vlp(model) if model.name == "t2vlp" else _small_mcg(model, num_frames)


def _small_t2vlp(model: Any) -> list[str]:
    found = [*_SMALL_T2VLP]
    if model.vision.joint_from is not None:
        found.append("model.vision.joint_from=1")
    if model.tubes is not None:
        found += ["model.tubes.num_centres=2", "model.tubes.num_layers=1"]
    if model.fusion is not None:
        found += [f"model.fusion.{setting}" for setting in ("width=32", "num_heads=2", "num_layers=2")]
    return found


def _small_mcg(model: Any, num_frames: int) -> list[str]:
    layers = {"num_layers": 2, "num_decoder_layers": min(1, model.text.num_decoder_layers)}
    if model.text.num_fusion_layers:
        layers["num_fusion_layers"] = 1
    return [
        *_SMALL_MCG,
        f"model.vision.num_frames={num_frames}",
        *(f"model.text.{field}={number}" for field, number in layers.items()),
        *(["model.num_entities=6"] if model.num_entities else []),
        *(["model.num_classes=64"] if model.num_classes else []),
    ]
