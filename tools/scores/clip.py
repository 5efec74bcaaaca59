"""The score clip: how well the captions of a sample fit its frames, by a CLIP-like model from a local folder.

The folder is a checkpoint as transformers saves it: config.json, weights as safetensors, the image processor and the
tokenizer (CLIP, SigLIP and what else has get_image_features and get_text_features). The score is the cosine, -1 to 1,
between the mean of the frames' unit vectors and the vector of a text, as a mean over the texts of the sample. Promises:
nothing is fetched, no code of the folder is run, nothing is unpickled. A text is cut at the length that the model has.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.rows import OptionError
from tools.scores.values import ScoreError

_TEXT_FIELDS = ("caption", "question", "answer")
_MOST_TEXTS = 64
"""Texts of a sample that are compared, the first ones: a video may have hundreds of questions."""
_READ_AT_ONCE = 1 << 20


class ClipScorer:
    """A model that compares frames with texts; threads may share it, and use it one at a time."""

    def __init__(self, folder: Path, device: str) -> None:
        """Load the checkpoint. Raises OptionError."""
        if not (folder / "config.json").is_file():
            what = "holds no config.json" if folder.is_dir() else "is no folder"
            raise OptionError(
                f"--checkpoint {folder}: {what}; give the local folder of a CLIP-like checkpoint of transformers"
            )
        import torch
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._model = AutoModel.from_pretrained(folder, use_safetensors=True, **local).to(device).eval()
            self._pictures = AutoImageProcessor.from_pretrained(folder, **local)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise OptionError(f"--checkpoint {folder}: cannot be loaded ({type(error).__name__}: {error})") from error
        if not all(hasattr(self._model, name) for name in ("get_image_features", "get_text_features")):
            raise OptionError(
                f"--checkpoint {folder}: is a {type(self._model).__name__}, which gives no features of pictures and "
                "texts; give a CLIP-like checkpoint"
            )
        text = getattr(self._model.config, "text_config", self._model.config)
        self._longest_text = int(getattr(text, "max_position_embeddings", 77))
        self._device, self._lock, self._torch = device, threading.Lock(), torch

    def __call__(self, frames: NDArray[np.uint8], records: Sequence[dict[str, Any]], facts: Any) -> float:
        """The similarity of frames (T, H, W, 3) and the texts of the records. Raises ScoreError."""
        texts = [text for text in map(_text_of, records) if text][:_MOST_TEXTS]
        if not texts:
            raise ScoreError("no record has a caption or a question")
        pictures = self._pictures(images=list(frames), return_tensors="pt", input_data_format="channels_last")
        tokens = self._tokenizer(
            texts, return_tensors="pt", padding="max_length", truncation=True, max_length=self._longest_text
        )
        with self._lock, self._torch.inference_mode():
            shown = _unit(self._model.get_image_features(pixel_values=pictures["pixel_values"].to(self._device)))
            said = _unit(self._model.get_text_features(**{name: ids.to(self._device) for name, ids in tokens.items()}))
            video = self._torch.nn.functional.normalize(shown.mean(0), dim=0)
            return float((said @ video).mean())


def checkpoint_digest(folder: Path) -> str:
    """16 hexadecimal digits over the files of a checkpoint, so that no run goes on with another one."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".txt", ".model", ".safetensors"):
            digest.update(path.name.encode())
            with open(path, "rb") as file:
                while piece := file.read(_READ_AT_ONCE):
                    digest.update(piece)
    return digest.hexdigest()[:16]


def _text_of(record: dict[str, Any]) -> str:
    """The caption of a record, or its question and answer."""
    return " ".join(str(record[name]) for name in _TEXT_FIELDS if isinstance(record.get(name), str)).strip()


def _unit(found: Any) -> Any:
    """Rows of features as unit vectors; newer releases of transformers wrap them."""
    features = found if hasattr(found, "norm") else found.pooler_output
    return features / features.norm(dim=-1, keepdim=True)
