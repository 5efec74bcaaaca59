"""The base of model configs: the name of the model, the verbs and parts that it provides, and the clips that fit it.

A config imports no torch: a run is checked before a model is built, and `build` imports the model's module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Union

from pydantic import BeforeValidator, Field

from mcg.classes import ClassConfig
from mcg.compat import Compat
from shards.media import ClipConfig


class Provision(NamedTuple):
    """One verb or part of a model: whether this config has it, what it is in words, and the setting that adds it."""

    present: bool
    what: str
    remedy: str


class ModelConfig(ClassConfig):
    """The settings and questions that all models share. A subclass adds `name`, its sizes and its answers."""

    name: str
    """Name of the model."""
    vocabulary: str | None = None
    """File of the vocabulary, or a folder that holds it; None takes the installed package's."""
    compat: Compat = "corrected"
    """Bugs of the release, corrected or as released; follows the run's `compat`."""

    def build(self, texts: Any) -> Any:
        """The model with fresh weights. texts: how it writes (mcg.text.open_texts)."""
        return self.load_class()(self, texts.size)

    def provides(self) -> dict[str, Provision]:
        """The verbs and parts that this kind of model can have, by name. Objectives and tasks ask for these names."""
        raise NotImplementedError(f"{type(self).__name__} must say what it provides")

    def missing(self, name: str) -> str | None:
        """Why the model lacks a verb or part, and what to set; None where it has it."""
        provision = self.provides().get(name)
        if provision is None:
            return f"this model has no {name}, and no setting of model.name {self.name!r} adds it"
        return None if provision.present else f"this model has no {provision.what}; set {provision.remedy}"

    def with_classes(self, head: str, count: int, place: str) -> ModelConfig:
        """The config of this model with a classifier named `head` for `count` classes. place: the setting that they are
        from. Raises ValueError where the model has none, or one for fewer."""
        raise ValueError(f"{place}: {self.missing('classify')}")

    def with_heads_of(self, stored: Mapping[str, Any]) -> ModelConfig:
        """This config with the heads besides, of other uses, that a checkpoint's config, a tree, has."""
        return self

    @classmethod
    def adapted(cls, model: dict[str, Any], use: dict[str, Any], head: str | None = None) -> dict[str, Any]:
        """The tree of a use (task, objectives, data) with the ways of answering and the objectives that go with a
        setting of the model, whose tree is `model`, so that one switch there serves every config. head: the name of the
        use's classifier, where a model may have one for each."""
        return use

    @classmethod
    def released(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """A run's config tree with the values that `compat: released` stands for, wherever the user wrote none."""
        return tree

    def check_clip(self, clip: ClipConfig, name: str = "task.clip") -> None:
        """Raises ValueError where the model is not made for such clips. name: the clip's path in configs."""
        raise NotImplementedError(f"{type(self).__name__} must say which clips it is made for")

    def check_texts(self, texts: Mapping[str, int], num_frames: int) -> None:
        """Raises ValueError where the model has no places for texts (ClipTaskConfig.longest_texts) and clips of so many
        frames."""
        return


def check_num_frames(clip: ClipConfig, max_frames: int, name: str) -> None:
    """Raise ValueError for clips of more frames than a model takes. name: the path of the clip in configs."""
    if clip.num_frames > max_frames:
        raise ValueError(
            f"{name}.num_frames is {clip.num_frames}, but model.max_frames is {max_frames}; set the one to the other"
        )


def one_of(models: Mapping[str, type[ModelConfig]]) -> Any:
    """The annotation of a config of any of these models, told apart by `name`; without a name it is the first one."""
    first = next(iter(models))

    def named(values: Any) -> Any:
        return {"name": first, **values} if isinstance(values, Mapping) else values

    kinds = tuple(models.values())
    union: Any = Annotated[Union[kinds], Field(discriminator="name")] if len(kinds) > 1 else kinds[0]  # noqa: UP007
    return Annotated[union, BeforeValidator(named)]
