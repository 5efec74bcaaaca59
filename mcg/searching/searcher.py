"""A trained model that searches clips by text and texts by clip, for programs and for `python -m mcg.search`.

Scores are products of the features in the contrastive space, and clips are ranked by them. Texts for a clip stand in
the order of the probability of a match, where the model has a head for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xxhash
from torch import Tensor, nn

from mcg.engine.checkpoint import Checkpoint, Selection, find_checkpoint
from mcg.model.model import Model
from mcg.model.states import TextStates, VideoStates
from mcg.searching.clips import Clip, clips_in, read_clip
from mcg.searching.feature_store import Feature, FeatureStore
from mcg.tasks.pretrain import Pretrain
from mcg.tasks.retrieval import Retrieval
from mcg.text import open_texts
from mcg.trained import stored_settings, trained_model
from shards.base import MediaError
from shards.decode import open_decoder

_TASKS = ("retrieval", "pretrain")


@dataclass(frozen=True)
class Hit:
    """A clip or text that was found, with its scores; more is better."""

    name: str
    """The clip's path or origin, or the text."""
    score: float
    """Product of the features."""
    match: float | None = None
    """Probability of a match; None where the model was not asked."""


class Searcher:
    """A model with the clips that it has seen. Not to be shared between threads."""

    def __init__(
        self, task: Retrieval | Pretrain, model: Model, device: torch.device, store: FeatureStore | None = None
    ) -> None:
        self.task, self.model, self.device = task, model.eval().to(device), device
        self.failures: list[str] = []
        """Clips that could not be used, with reasons."""
        self.num_encoded = 0
        """Clips that passed the model; those of the others were known."""
        self._store, self._decode = store, open_decoder("cpu")
        self._clips: list[str] = []
        self._features: list[Feature] = []
        self._media: dict[str, Callable[[], Clip]] = {}

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
        cache: str | Path | None = None,
    ) -> Searcher:
        """The model of a checkpoint or run folder, by its own config unless another is given; on the GPU where there is
        one. cache: a folder that keeps the features of clips. use: which one, of a run of several. Raises
        CheckpointError, ConfigError, ValueError."""
        found = find_checkpoint(checkpoint, select)
        settings = stored_settings(found, config, overrides, use)
        if settings.task.name not in _TASKS:
            raise ValueError(
                f"{found.folder}: its task is {settings.task.name!r}, which compares no clips with texts; name a "
                f"checkpoint of {' or '.join(_TASKS)}, or the config of such a task"
            )
        if (missing := settings.model.missing("video_features")) is not None:
            raise ValueError(f"{found.folder}: search compares features of videos and texts: {missing}")
        task = settings.task.build(open_texts(settings.model))
        model = trained_model(found, task, settings.model)
        store = None if cache is None else FeatureStore(Path(cache) / "features.sqlite", _identity(found, task))
        return cls(task, model, torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")), store)

    def add(self, place: str | Path) -> int:
        """Take in the clips of a folder or a dataset of shards; returns how many. Those that cannot be used are listed
        in `failures`. Raises MediaError where none can."""
        before = len(self._clips)
        for clip in clips_in(place):
            if isinstance(clip, MediaError):
                self.failures.append(str(clip))
                continue
            try:
                feature = self._feature(clip)
            except MediaError as error:
                self.failures.append(str(error))
                continue
            self._clips.append(clip.name)
            self._features.append(feature)
        if len(self._clips) == before:
            raise MediaError(f"{place}: none of its clips can be used; the first: {self.failures[-1]}")
        return len(self._clips) - before

    def search(self, text: str, count: int = 10) -> list[Hit]:
        """The clips that fit a text best, best first. Raises ValueError for an empty text, or before any `add`."""
        if not self._clips:
            raise ValueError("no clips to search; add a folder or a dataset first")
        scores = np.stack(self._features) @ self._text_features([text])[0]
        best = np.argsort(-scores, kind="stable")[:count]
        return [Hit(self._clips[number], float(scores[number])) for number in best]

    def best_texts(self, video: str | Path, texts: Sequence[str], count: int = 10) -> list[Hit]:
        """The texts that fit a media file best, best first; in the order of matching where the model has a head for
        it. Raises MediaError, ValueError."""
        clip = read_clip(Path(video), str(video))
        states = self._encode(clip)
        with torch.inference_mode():
            feature = self.model.video_features(states)[0].float().cpu().numpy()
        scores = self._text_features(texts) @ feature
        matches = self._matches(states, texts)
        hits = [
            Hit(text, float(score), None if matches is None else matches[number])
            for number, (text, score) in enumerate(zip(texts, scores, strict=True))
        ]
        return sorted(hits, key=lambda hit: -(hit.score if hit.match is None else hit.match))[:count]

    def _feature(self, clip: Clip) -> Feature:
        content = xxhash.xxh3_128_digest(clip.data)
        known = None if self._store is None else self._store.get(content)
        if known is not None:
            return known
        states = self._encode(clip)
        with torch.inference_mode():
            feature: Feature = self.model.video_features(states)[0].float().cpu().numpy()
        if self._store is not None:
            self._store.put(content, feature)
        return feature

    def _encode(self, clip: Clip) -> VideoStates:
        frames = torch.as_tensor(clip.frames(self.task.evaluation_clip, self._decode)).to(self.device)
        self.num_encoded += 1
        with torch.inference_mode():
            return self.model.encode_video(frames[None])

    def _text_features(self, texts: Sequence[str]) -> Feature:
        with torch.inference_mode():
            found: Feature = self.model.text_features(self._texts(texts, contrastive=True)).float().cpu().numpy()
        return found

    def _texts(self, texts: Sequence[str], contrastive: bool) -> TextStates:
        empty = [number for number, text in enumerate(texts, start=1) if not text.strip()]
        if not texts or empty:
            raise ValueError(f"text number {empty[0]} is empty" if empty else "no text was given")
        longest = self.task.config.max_text_tokens
        coded = [self.task.texts.pair(text.strip(), longest) for text in texts]
        ids, mask = (_padded([torch.from_numpy(one[name]) for one in coded]) for name in ("text_ids", "text_mask"))
        return self.model.encode_text(ids.to(self.device), mask.to(self.device).bool(), contrastive=contrastive)

    def _matches(self, video: VideoStates, texts: Sequence[str]) -> list[float] | None:
        """Probabilities of a match; None for a model without a head for it."""
        if self.model.config.missing("match_logits") is not None:
            return None
        with torch.inference_mode():
            states = self._texts(texts, contrastive=False)
            every = torch.zeros(len(texts), dtype=torch.int64, device=self.device)
            logits = self.model.match_logits(self.model.fuse(states, video.rows(every)))
            found: list[float] = logits.float().softmax(-1)[:, 1].tolist()
        return found


def _padded(rows: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _identity(checkpoint: Checkpoint, task: Retrieval | Pretrain) -> str:
    """What a feature depends on besides the medium: the weights, and how a clip is made."""
    files = checkpoint.files or {}
    weights = files["model.safetensors"].xxh3 if "model.safetensors" in files else str(checkpoint.folder.resolve())
    content = json.dumps([weights, checkpoint.config.get("model"), task.evaluation_clip.model_dump(mode="json")])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
