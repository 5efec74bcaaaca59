"""The prompter of a run: read from where the config names it, and kept once in RUN/prompter.

RUN/prompter/model holds its weights as a checkpoint, RUN/prompter/prompts.safetensors the features of its prompts with
the entities that they are of. A resumed run reads these, even where the prompter's own run is gone; where the config
names other entities, their features are made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mcg import distributed
from mcg.config.environment import read_stored
from mcg.config.older import upgrade
from mcg.engine.checkpoint import Checkpoint, CheckpointError, find_checkpoint
from mcg.engine.saving import describe
from mcg.engine.store.integrity import FileFacts, keep_folder
from mcg.engine.store.tensor_file import write_tensors
from mcg.engine.weights import load_weights, read_weights
from mcg.model import AnyModelConfig
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.parts.prompter import IMAGE_TEMPLATES, VIDEO_TEMPLATES, Prompter, check_prompts, prompt_features
from mcg.objectives.config import PROMPTER_FOLDER, EntityPromptingConfig
from mcg.objectives.objective import Start
from mcg.text import open_texts
from mcg.text.entities import EntityError, read_entities
from mcg.text.texts import Texts

_KEY = "objectives.entity_prompting.prompter"


def open_prompter(config: EntityPromptingConfig, start: Start) -> Prompter:
    """The prompter of a run, on the device. All ranks ask together.

    Raises CheckpointError, EntityError; ValueError for a prompter that does not fit the clips or the list.
    """
    folder = start.run_dir / PROMPTER_FOLDER
    entities = read_entities(config.entities, config.num_entities)
    if distributed.rank() == 0 and not (folder / "model").is_dir():
        _keep(config.prompter, folder / "model")
    distributed.barrier()
    checkpoint, model, texts = _read(config, start, folder / "model")
    model.eval().to(start.device)
    file = folder / "prompts.safetensors"
    made_of = _made_of(checkpoint.folder, entities)
    found = _read_prompts(file, made_of)
    found = found if distributed.largest(int(found is None), start.device) == 0 else None
    if found is None:
        try:
            check_prompts(texts, entities, (*VIDEO_TEMPLATES, *IMAGE_TEMPLATES))
        except ValueError as error:
            raise EntityError(f"objectives.entity_prompting.entities: {config.entities}: {error}") from None
        found = {
            kind: prompt_features(model, texts, entities, templates, start.device)
            for kind, templates in (("video", VIDEO_TEMPLATES), ("image", IMAGE_TEMPLATES))
        }
        if distributed.rank() == 0:
            aside = file.with_suffix(".writing")
            write_tensors(aside, found, {"made_of": made_of, "entities": json.dumps(entities)})
            aside.replace(file)
        distributed.barrier()
    return Prompter(model, found["video"], found["image"])


def _read(config: EntityPromptingConfig, start: Start, folder: Path) -> tuple[Checkpoint, Model, Texts]:
    """The prompter that a run keeps in `folder`. Raises CheckpointError, ValueError."""
    try:
        checkpoint = find_checkpoint(folder)
        model_config = _model_config(checkpoint)
        _check(config.prompter, model_config, start)
        texts = open_texts(model_config)
        model = model_config.build(texts)
        lacking = load_weights(model, folder, texts)
    except CheckpointError as error:
        again = f"or remove {folder}, which is then made anew of {_KEY}"
        raise CheckpointError(f"{error}; {again}") from None
    except FileNotFoundError as error:
        raise CheckpointError(f"{_KEY} {config.prompter}: {error}") from None
    if lacking:
        raise CheckpointError(f"{_KEY} {config.prompter}: lacks {len(lacking)} weights of a model, e.g. {lacking[0]}")
    return checkpoint, model, texts


def _model_config(checkpoint: Checkpoint) -> ModelConfig:
    """The config of the model of a checkpoint. Raises CheckpointError."""
    stored, _ = read_stored(upgrade(checkpoint.config), str(checkpoint.folder), ("model",))
    try:
        model: ModelConfig = TypeAdapter(AnyModelConfig).validate_python(stored.get("model"))
    except ValidationError as error:
        what = error.errors()[0]
        place = ".".join(map(str, ("model", *what["loc"])))
        raise CheckpointError(f"{checkpoint.folder / 'checkpoint.json'}: {place}: {what['msg']}") from None
    return model


def _check(source: str, model: ModelConfig, start: Start) -> None:
    """Raise ValueError for a prompter that does not see such clips, or does not compare them with texts."""
    try:
        model.check_clip(start.clip)
    except ValueError as error:
        raise ValueError(
            f"{_KEY} {source}: is no prompter for the clips of this run: {error}, or take another"
        ) from None
    for verb in ("video_features", "text_features"):
        if (missing := model.missing(verb)) is not None:
            raise ValueError(f"{_KEY} {source}: {missing}")


def _keep(source: str, folder: Path) -> None:
    """Copy the weights of a checkpoint, without its training state, whole or not at all."""
    try:
        checkpoint = find_checkpoint(source)
    except CheckpointError as error:
        raise CheckpointError(f"{_KEY}: {error}; {EntityPromptingConfig.remedies['prompter']}") from None
    try:
        read_weights(checkpoint.folder)  # refuses what is not what was saved
    except CheckpointError as error:
        raise CheckpointError(f"{_KEY}: {error}") from None
    aside = folder.parent / f".{folder.name}.writing"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    shutil.copyfile(checkpoint.folder / "model.safetensors", aside / "model.safetensors")
    facts = {"step": checkpoint.step, "cursor": {}, "config": {"model": checkpoint.config["model"]}, "world_size": 1}
    vocabulary = {} if checkpoint.vocabulary is None else {"vocabulary": checkpoint.vocabulary}
    describe(aside, {**facts, **vocabulary}, {"model.safetensors": FileFacts.of(aside / "model.safetensors")})
    keep_folder(aside)
    aside.replace(folder)
    keep_folder(folder.parent)


def _made_of(folder: Path, entities: list[str]) -> str:
    """Identifies weights, entities and templates."""
    weights = FileFacts.of(folder / "model.safetensors").xxh3
    content = json.dumps([weights, entities, VIDEO_TEMPLATES, IMAGE_TEMPLATES])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _read_prompts(file: Path, made_of: str) -> dict[str, Tensor] | None:
    """The features that were saved; None if there are none, or others."""
    try:
        with safe_open(file, "pt") as stored:
            if (stored.metadata() or {}).get("made_of") != made_of:
                return None
            return {kind: stored.get_tensor(kind) for kind in ("video", "image")}
    except (OSError, SafetensorError):
        return None
