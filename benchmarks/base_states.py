"""Resident memory of a retrieval evaluation whose states have the shapes of a system of base size in 16 bits.

A video of ALPRO has 197 tokens of 768 channels, a text 40; of LAVENDER 250 and 26; of T2VLP 21 and 32 of 512. The
states are made up, and a pair's score is a product of two numbers; all else is the real evaluation. For a fresh
process.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from quadrants import retrieval, split_of, write_pictures
from retrieval_systems import System
from torch import Tensor

from mcg.model.model import Model
from mcg.model.states import Fused, TextStates, VideoStates
from mcg.scoring.evaluate import evaluate

HOST = torch.device("cpu")


class BaseStates(Model):
    def __init__(self, system: System) -> None:
        super().__init__(system.base())
        self._system = system
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))

    @property
    def temperature(self) -> Tensor:
        return torch.tensor(0.07)

    def encode_video(self, frames_BTHWC: Tensor, mask_BT: Any = None, with_attention: bool = False) -> VideoStates:
        states = torch.empty(
            len(frames_BTHWC), self._system.video_tokens, self._system.width, dtype=torch.bfloat16
        ).normal_()
        return VideoStates(states, torch.ones(states.shape[:2], dtype=torch.bool))

    def encode_text(self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, **_: Any) -> TextStates:
        states = self._states(len(ids_BL), self._system.tokens)
        return TextStates(states, torch.ones(states.shape[:2], dtype=torch.bool))

    def _states(self, B: int, tokens: int) -> Tensor:
        return torch.empty(B, tokens, self._system.width, dtype=torch.bfloat16).normal_()

    def video_features(self, video: VideoStates) -> Tensor:
        return video.tokens_BVD[:, 0, :256].float()

    def text_features(self, text: TextStates) -> Tensor:
        return text.states_BLD[:, 0, :256].float()

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        return Fused(*text[:2], *video[:2])

    def match_logits(self, fused: Fused) -> Tensor:
        product = fused.text_BLD[:, 0, :1] * fused.video_BVD[:, 0, :1]
        return torch.cat([-product, product], 1)


def host_memory(system: System, folder: Path, num: int, batch_size: int = 16) -> dict[str, Any]:
    """Of `num` videos and texts, by the system's last ranking; what lies on the device at one time is here on the host,
    so little."""
    model = BaseStates(system).eval()
    task = retrieval(system.rankings[-1], **system.rerank, pairs_at_once=batch_size)
    evaluate(task, model, split_of(write_pictures(folder / "few", 40), batch_size), HOST)
    data = write_pictures(folder / "many", num)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    began = time.process_time()
    evaluate(task, model, split_of(data, batch_size), HOST)
    video, text = (2 * system.width * tokens for tokens in (system.video_tokens, system.tokens))
    return {
        "num": num,
        "mb_a_video": round(video / 1e6, 3),
        "states_mb": round(num * (video + text) / 1e6, 1),
        "resident_mb": round((_status("VmHWM") - before) / 1e6, 1),
        "wanted_mb": round(1.1 * num * system.wanted_bytes / 1e6, 1),
        "cpu_s": round(time.process_time() - began, 1),
    }


def _status(name: str) -> int:
    """Bytes, of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])
