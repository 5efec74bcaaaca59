"""A trained model that captions video files, for programs and for `python -m mcg.caption`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from mcg.answering.generation import Written
from mcg.engine.checkpoint import Selection
from mcg.model.model import Model
from mcg.searching.clips import Clip, clips_in, read_clip
from mcg.tasks.captioning import Captioning
from mcg.tasks.pretrain import Pretrain
from mcg.trained import ready
from shards.base import MediaError
from shards.decode import Frames, open_decoder

_AT_ONCE = 8
"""Clips that pass the model together."""


class Captioned(NamedTuple):
    """A video by its name, with its captions, the best first."""

    video: str
    captions: list[Written]


class Captioner:
    """A model that writes captions. Not to be shared between threads."""

    def __init__(self, task: Captioning, model: Model, device: torch.device) -> None:
        self.task, self.model, self.device = task, model.eval().to(device), device
        self._decode = open_decoder("cpu")

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        config: str | Path | None = None,
        select: Selection = "latest",
        overrides: Sequence[str] = (),
        device: str | torch.device | None = None,
        use: str | None = None,
    ) -> Captioner:
        """The model of a checkpoint or run folder, by its own config unless another is given; on the GPU where there is
        one. Pre-training counts if it taught the model to write (objectives.generation). use: which one, of a run of
        several. Raises CheckpointError, ConfigError, ValueError for a task that writes no captions."""
        found = ready(
            checkpoint,
            ("captioning", "pretrain"),
            "writes no captions",
            config=config,
            select=select,
            overrides=overrides,
            device=device,
            use=use,
        )
        task = found.task
        if isinstance(task, Pretrain):
            if "generation" not in found.settings.objectives.chosen():
                raise ValueError(
                    f"{checkpoint}: its pre-training had no objectives.generation, which teaches to write captions; "
                    "name a checkpoint that was fine-tuned with captioning"
                )
            task = task.config.captioning().build(task.texts)
            task.check_model(found.settings.model)
        return cls(task, found.model, found.device)

    def caption(self, video: str | Path, count: int = 1) -> list[Written]:
        """Up to `count` captions of a file, of task.num_beams at most, the best first. Raises MediaError."""
        ((_, captions),) = self._written([self._shown(read_clip(Path(video), str(video)))], count)
        return captions

    def caption_all(self, videos: Iterable[str | Path], count: int = 1) -> Iterator[Captioned | MediaError]:
        """The same of several: files, folders of media files, and datasets of shards; in their order, with an error for
        each that cannot be used."""
        clips = _clips(videos)
        while some := list(islice(clips, _AT_ONCE)):
            shown = [self._tried(clip) for clip in some]
            written = iter(self._written([one for one in shown if not isinstance(one, MediaError)], count))
            yield from (one if isinstance(one, MediaError) else next(written) for one in shown)

    def _tried(self, clip: Clip | MediaError) -> tuple[str, Frames] | MediaError:
        try:
            return clip if isinstance(clip, MediaError) else self._shown(clip)
        except MediaError as error:
            return error

    def _shown(self, clip: Clip) -> tuple[str, Frames]:
        return clip.name, clip.frames(self.task.evaluation_clip, self._decode)

    @torch.inference_mode()
    def _written(self, shown: Sequence[tuple[str, Frames]], count: int) -> list[Captioned]:
        if count < 1:
            raise ValueError(f"the number of captions must be 1 or more, found {count}")
        if not shown:
            return []
        frames = torch.stack([torch.as_tensor(frames) for _, frames in shown]).to(self.device)
        prompt = {
            name: torch.from_numpy(row).expand(len(shown), -1).to(self.device)
            for name, row in self.task.texts.prompt().items()
        }
        written = self.task.captions(self.model, self.model.encode_video(frames), prompt, count)
        return [Captioned(name, captions) for (name, _), captions in zip(shown, written, strict=True)]


def _clips(videos: Iterable[str | Path]) -> Iterator[Clip | MediaError]:
    for video in videos:
        try:
            if Path(video).is_file() or not (Path(video).is_dir() or "://" in str(video)):
                yield read_clip(Path(video), str(video))
            else:
                yield from clips_in(video)
        except MediaError as error:
            yield error
