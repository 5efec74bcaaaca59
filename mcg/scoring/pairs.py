"""Retrieval over all pairs: every text of a split with every video, on any number of ranks.

Videos and texts are encoded once each, and their states kept on the host in the model's dtype. Each rank keeps its own
videos and gets the texts of all ranks; it fuses pairs of its own videos in chunks on the device, and their scores are
gathered: every pair once. Device memory depends on `pairs_at_once`, not on the size of the split; host memory is that
of the states, which are let go when the pairs are scored.

Ranking by `contrast` takes the similarity of the features, `matching` fuses all pairs, and `rerank` those of which
the contrast places one side among the first `rerank_depth` of the other (mcg/scoring/reranking.py). A text that stands
with several videos is one query and one candidate, and is fused once with a video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mcg import distributed
from mcg.model.model import Model
from mcg.model.states import VideoStates
from mcg.scoring.kept_texts import KeptText, keep, of_all_ranks, together
from mcg.scoring.reranking import Matrix, among_best
from mcg.tasks.config import RetrievalConfig
from shards import Batch
from shards.base import logger

_logger = logger(__name__)
_Numbers = npt.NDArray[np.int64]


class Scored(NamedTuple):
    """All texts (M) and videos (N) of a split, and their scores."""

    texts: list[dict[str, Any]]
    """Text m: {"id", "caption", "video": number of its video}."""
    videos: list[dict[str, Any]]
    """Video n: {"id", "origin"}."""
    contrast_MN: Matrix | None
    """Products of the features; the contrast of training divides them by the temperature. None where the model has no
    space in which videos and texts are compared."""
    match_MN: Matrix | None
    """Difference of the match logits; NaN where a pair was not fused. None where ranking is by contrast."""
    num_fused: int
    """Pairs that were fused, all ranks together."""
    temperature: float | None = None
    """By which the contrast is divided where its soft-max is ranked by; None elsewhere."""


class Pairs:
    """Collects the states of one evaluation, batch by batch, and scores the pairs."""

    def __init__(self, model: Model, config: RetrievalConfig, device: torch.device) -> None:
        self._model, self._config, self._device = model, config, device
        self._videos: list[dict[str, Any]] = []
        self._texts: list[dict[str, Any]] = []
        self._video_features: list[Tensor] = []
        self._text_features: list[Tensor] = []
        self._video_states: list[VideoStates] = []
        self._text_states: list[KeptText] = []
        self._spare: VideoStates | None = None
        """Some video, for passes in which this rank has no pair of its own but others have."""

        self._fuses = config.ranking != "contrast"
        self._compares = model.config.missing("video_features") is None

    def add(self, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        """Encode the videos of a batch and their texts; returns the meta of each slot."""
        valid = np.flatnonzero(batch.valid)
        first = len(self._videos)
        for number, slot in enumerate(valid):
            meta = batch.meta[slot]
            self._videos.append({"id": meta["video"], "origin": str(batch.origins[slot])})
            self._texts += [{**text, "video": first + number} for text in meta["texts"]]
        # padding too: frames that are alike have the same features, to the last bit, only in batches of one size
        states = self._model.encode_video(inputs["frames"])
        self._keep_videos(states, torch.from_numpy(valid).to(self._device))
        ids_NL, mask_NL = _texts_of(inputs, valid)
        for rows in _chunks(len(ids_NL), self._config.pairs_at_once, self._device):
            self._keep_texts(ids_NL, mask_NL, rows)
        return [{"origin": str(origin), **meta} for origin, meta in zip(batch.origins, batch.meta, strict=True)]

    def _keep_videos(self, states: VideoStates, valid_N: Tensor) -> None:
        features = self._model.video_features(states) if self._compares else None
        states = VideoStates(states.tokens_BVD, states.mask_BV)  # what else objectives read of it is not fused
        if self._fuses and self._spare is None:
            self._spare = states.rows(torch.zeros(1, dtype=torch.int64, device=self._device)).to(torch.device("cpu"))
        if not len(valid_N):
            return
        if features is not None:
            self._video_features.append(features[valid_N].float().cpu())
        if self._fuses:
            kept = states.to(torch.device("cpu"))
            self._video_states += [kept.rows(number[None]) for number in valid_N.cpu()]

    def _keep_texts(self, ids_NL: Tensor, mask_NL: Tensor, rows: range) -> None:
        """rows: of the texts; an empty range only takes part in the pass, under ZeRO 3."""
        model, chosen = self._model, slice(rows.start, rows.stop) if rows else slice(0, 1)
        ids, mask = ids_NL[chosen], mask_NL[chosen]
        if not len(ids):
            ids, mask = ids_NL.new_zeros(1, ids_NL.shape[1]), mask_NL.new_ones(1, mask_NL.shape[1])
        states = model.encode_text(ids, mask, contrastive=True)
        if rows and self._compares:
            self._text_features.append(model.text_features(states).float().cpu())
        if not self._fuses:
            return
        if model.contrastive_text_differs:
            states = model.encode_text(ids, mask)
        if rows:
            self._text_states += keep(states)

    def scores(self) -> Scored:
        """The scores of all pairs, the same on every rank; to be asked for once, as the states are let go. Raises
        ValueError for a split without a text or video, and for two samples with one video id."""
        own = len(self._videos)
        first = sum(distributed.gather_objects([own])[: distributed.rank()])
        videos = distributed.gather_objects(self._videos)
        texts = distributed.gather_objects([{**text, "video": text["video"] + first} for text in self._texts])
        _check(videos, texts)
        if self._config.ranking == "rerank" and self._config.rerank_depth > len(videos) and distributed.rank() == 0:
            _logger.warning(
                "task.rerank_depth is %d, and the split has %d videos: all pairs are fused, as by task.ranking "
                "'matching'; set at most that",
                self._config.rerank_depth,
                len(videos),
            )
        contrast: Matrix | None = None
        if self._compares:
            contrast = (self._gathered(self._text_features) @ self._gathered(self._video_features).T).numpy()
        if not self._fuses:
            return Scored(texts, videos, contrast, None, 0)
        wanted = self._wanted(contrast, texts, len(videos))
        dtype = next(self._model.parameters()).dtype
        all_texts = of_all_ranks(self._text_states, dtype, self._device)
        own_match_NM = self._match_all(all_texts, wanted[:, first : first + own].T)
        self._video_states, self._text_states = [], []
        match_NM = distributed.gather_from_host(own_match_NM, self._device)
        by_product = self._config.ranking == "rerank" and self._config.rerank_by == "product"
        temperature = float(self._model.temperature.detach()) if by_product else None
        return Scored(texts, videos, contrast, match_NM.T.numpy(), int(wanted.sum()), temperature)

    def _gathered(self, features: Sequence[Tensor]) -> Tensor:
        """The features of all ranks, float32 on the host."""
        width = distributed.largest(features[0].shape[1] if features else 0, self._device)
        return distributed.gather_from_host(torch.cat([torch.zeros(0, width), *features]), self._device)

    def _wanted(
        self, contrast_MN: Matrix | None, texts: Sequence[dict[str, Any]], num_videos: int
    ) -> npt.NDArray[np.bool_]:
        """(M, N) True for the pairs to fuse."""
        first, _ = distinct(texts)
        wanted = np.zeros((len(texts), num_videos), np.bool_)
        if self._config.ranking == "matching":
            wanted[first] = True
            return wanted
        assert contrast_MN is not None
        depth, contrast = self._config.rerank_depth, contrast_MN[first]
        wanted[first] = among_best(contrast, depth) | among_best(contrast.T, depth).T
        return wanted

    def _match_all(self, texts: Sequence[KeptText], wanted_NM: npt.NDArray[np.bool_]) -> Tensor:
        """(N, M) match scores of the own videos; NaN where a pair is not wanted."""
        match_NM = torch.full(wanted_NM.shape, float("nan"))
        ends_N = wanted_NM.sum(1).cumsum()  # videos in order, so that a chunk has few
        count = int(ends_N[-1]) if len(ends_N) else 0
        for rows in _chunks(count, self._config.pairs_at_once, self._device):
            distributed.doing("matching", f"pair {rows.start} of {count}")
            video_P, text_P = _pairs(wanted_NM, ends_N, rows)
            scores = self._match(texts, text_P, video_P)
            if rows:
                match_NM[torch.from_numpy(video_P), torch.from_numpy(text_P)] = scores
        return match_NM

    def _match(self, texts: Sequence[KeptText], text_P: _Numbers, video_P: _Numbers) -> Tensor:
        """Scores (P,) of pairs; of none, where this rank only takes part in the pass, those of a made-up one."""
        model = self._model
        names, place_P = np.unique(video_P, return_inverse=True)
        if len(text_P):
            chosen = [texts[number] for number in text_P]
            videos = _stacked([self._video_states[number] for number in names])
        else:
            assert self._spare is not None
            chosen, videos, place_P = [texts[0]], self._spare, np.zeros(1, np.int64)
        video = videos.to(self._device).rows(torch.from_numpy(place_P).to(self._device))
        logits = model.match_logits(model.fuse(together(chosen, self._device), video)).float()
        return (logits[:, 1] - logits[:, 0]).cpu()


def distinct(texts: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """The numbers of the texts that differ in id or caption, each at its first place, and of every text which of these
    it is."""
    place: dict[tuple[str, str], int] = {}
    first: list[int] = []
    place_of: list[int] = []
    for number, text in enumerate(texts):
        found = place.setdefault((text["id"], text["caption"]), len(first))
        if found == len(first):
            first.append(number)
        place_of.append(found)
    return first, place_of


def _check(videos: Sequence[dict[str, Any]], texts: Sequence[dict[str, Any]]) -> None:
    if not videos or not texts:
        raise ValueError(f"retrieval needs videos and texts, the split has {len(videos)} and {len(texts)}")
    seen: dict[str, str] = {}
    for video in videos:
        other = seen.setdefault(video["id"], video["origin"])
        if other != video["origin"]:
            raise ValueError(
                f"{other} and {video['origin']} have one video id, {video['id']!r}; give each video one sample with "
                "all its texts, or leave one of them out by `exclude`"
            )


def _texts_of(inputs: dict[str, Tensor], valid: _Numbers) -> tuple[Tensor, Tensor]:
    """Ids and mask (N, L) of the texts of the valid slots, in their order."""
    ids_BOL, mask_BOL = inputs["text_ids"], inputs["text_mask"].bool()
    rows = torch.from_numpy(valid).to(ids_BOL.device)
    ids_BOL, mask_BOL = ids_BOL[rows], mask_BOL[rows]
    there_BO = mask_BOL.any(-1)
    return ids_BOL[there_BO], mask_BOL[there_BO]


def _chunks(count: int, at_once: int, device: torch.device) -> Iterator[range]:
    """Ranges over `count` items, as many on each rank: empty ones where others have more to do."""
    own = -(-count // at_once)
    for number in range(distributed.largest(own, device)):
        yield range(min(number * at_once, count), min((number + 1) * at_once, count))


def _pairs(wanted_NM: npt.NDArray[np.bool_], ends_N: _Numbers, rows: range) -> tuple[_Numbers, _Numbers]:
    """Numbers of video and text (P,) of the wanted pairs `rows`. ends_N: pairs up to and with each video's."""
    if not rows:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first, last = np.searchsorted(ends_N, [rows.start, rows.stop - 1], side="right")
    video_P, text_P = np.nonzero(wanted_NM[first : last + 1])
    before = int(ends_N[first - 1]) if first else 0
    chosen = slice(rows.start - before, rows.stop - before)
    return video_P[chosen] + first, text_P[chosen]


def _stacked(videos: Sequence[VideoStates]) -> VideoStates:
    return VideoStates(
        torch.cat([video.tokens_BVD for video in videos]), torch.cat([video.mask_BV for video in videos])
    )
