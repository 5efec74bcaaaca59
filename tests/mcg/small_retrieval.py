"""A real dataset of tiny pictures with captions, the retrieval task over it, and what ranks score of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mcg.model.states import Fused, TextStates, VideoStates
from mcg.scoring.evaluate import evaluate
from mcg.tasks.config import RetrievalConfig
from mcg.tasks.retrieval import Retrieval
from mcg.text.masked_words import MaskedWords
from shards import DatasetWriter, LoaderConfig
from tests.mcg.small_lavender import make_lavender
from tests.mcg.small_model import TEXTS, make_model
from tests.shards.small_dataset import FACTS, picture

CPU = torch.device("cpu")


def write_captions(
    folder: Path, num_samples: int = 7, broken: Collection[int] = (), captions_of: Sequence[int] = (1, 2)
) -> Path:
    """Sample i is a gray picture with captions_of[i % len] captions; the bytes of `broken` ones are no picture."""
    with DatasetWriter(folder, "gray", samples_per_shard=3) as writer:
        for i in range(num_samples):
            media = b"no picture" if i in broken else picture(30 * i)
            records = [
                {"caption": f"picture {i} in the words of number {r}" + " again" * (2 * i % 5), "id": f"{i}.{r}"}
                for r in range(captions_of[i % len(captions_of)])
            ]
            writer.write(f"{i:04d}", media, "png", records, {"id": f"v{i}"}, FACTS)
    return folder


def make_retrieval(**fields: Any) -> Retrieval:
    settings = {"name": "retrieval", "clip": {"num_frames": 2, "size": 32}, "pairs_at_once": 5}
    return Retrieval(RetrievalConfig.model_validate(settings | fields), TEXTS)


def retrieval_model() -> Any:
    return make_model(vocab_size=TEXTS.size, matching_head=True)


def split_of(folder: Path, batch_size: int = 6, **fields: Any) -> LoaderConfig:
    blend = [{"name": "gray", "path": str(folder), "elements": "sample"}]
    return LoaderConfig.model_validate({"blend": blend, "batch_size": batch_size, "mode": "eval"} | fields)


def score_on_a_rank(rank: int, world: int, folder: str) -> None:
    """One of the ranks; the meeting point is a file, so no port is taken. Writes FOLDER/RANK.json."""
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=timedelta(seconds=120))
    try:
        found = score_each(Path(folder) / "gray")
        (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    finally:
        dist.destroy_process_group()


def score_each(folder: Path) -> dict[str, Any]:
    """Of each ranking the metrics, the predictions, and the chunks of pairs that passed the model of this rank, a pair
    by what it is made of."""
    found = {}
    chunks = list[list[str]]()
    for ranking in ("contrast", "matching", "rerank", "rerank by product", "matching of words"):
        words = ranking.endswith("words")
        model: Any = make_lavender() if words else retrieval_model()
        model.fuse = _noting(model.fuse, chunks)
        texts = MaskedWords.of(model.config) if words else TEXTS
        by = "product" if ranking.endswith("product") else "matching"
        task = Retrieval(make_retrieval(ranking=ranking.split()[0], rerank_depth=2, rerank_by=by).config, texts)
        scores = evaluate(task, model, split_of(folder), CPU)
        found[ranking] = {"metrics": scores.metrics, "predictions": scores.predictions, "chunks": [*chunks]}
        chunks.clear()
    return found


def _noting(fuse: Any, chunks: list[list[str]]) -> Any:
    """The verb, noting what it is asked for."""

    def noting(text: TextStates, video: VideoStates) -> Fused:
        parts = zip(text.states_BLD, text.mask_BL.bool(), video.tokens_BVD, strict=True)
        chunks.append([f"{_digest(states[mask])} {_digest(tokens)}" for states, mask, tokens in parts])
        found: Fused = fuse(text, video)
        return found

    return noting


def _digest(tensor: Tensor) -> str:
    return hashlib.blake2b(tensor.contiguous().numpy().tobytes(), digest_size=8).hexdigest()
