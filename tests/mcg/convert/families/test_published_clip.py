"""CLIP's files as they are published are read, and open_clip's models give the features that ours give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mcg.convert.convert import detect
from mcg.convert.reading import Released, read_checkpoint
from tests.mcg.convert.small_clips import PLAIN, clip_forms, converted_clip, hugging_face_clip
from tests.mcg.small_t2vlp import TEXTS


class _Module(torch.nn.Module):
    """Modules with the weights of a state dict, as a program of TorchScript has them."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name in dict.fromkeys(key.partition(".")[0] for key in state):
            inner = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            if inner:
                self.add_module(name, _Module(inner))
            else:
                self.register_buffer(name, state[name])


def _write(form: str, folder: Path) -> Path:
    model = hugging_face_clip()
    if form == "archive":
        whole = clip_forms(model.state_dict())["openai_clip"]
        half = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in whole.items()}
        torch.jit.script(_Module(half)).save(str(folder / "ViT.pt"))
        return folder / "ViT.pt"
    if form == "safetensors":
        model.save_pretrained(folder)
    else:
        places = {f"{tower}_model.embeddings.position_ids": torch.arange(24)[None] for tower in ("text", "vision")}
        torch.save(model.state_dict() | places, folder / "pytorch_model.bin")
    return folder


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("form", ["archive", "bin", "safetensors"])
def test_published_files_are_read(tmp_path: Path, form: str) -> None:
    released = read_checkpoint(_write(form, tmp_path))
    found = converted_clip(released.state, detect(released).name, None).state
    for name, tensor in converted_clip(hugging_face_clip().state_dict(), "hf_clip", None).state.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], tensor.half().float() if form == "archive" else tensor), name


@torch.no_grad()
@pytest.mark.long
@pytest.mark.parametrize("name", ["CLIP", "CustomTextCLIP"])
@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_features_are_those_of_open_clip(name: str, activation: str) -> None:
    from open_clip import model as published

    torch.manual_seed(0)
    given = getattr(published, name)(
        64,
        {"layers": 3, "width": 64, "image_size": 32, "patch_size": 16, "head_width": 64},
        {"layers": 2, "width": 64, "heads": 1, "context_length": 20, "vocab_size": TEXTS.size},
        quick_gelu=activation == "quick_gelu",
    ).eval()
    for parameter in given.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    sides = {side: getattr(PLAIN, side).model_copy(update={"activation": activation}) for side in ("vision", "text")}
    config = PLAIN.model_copy(update=sides)
    assert detect(Released(Path("a"), given.state_dict(), None)).name == "open_clip"
    model = config.build(TEXTS).eval()
    model.load_state_dict(converted_clip(given.state_dict(), "open_clip", config).state)
    ids = torch.zeros(2, 20, dtype=torch.long)
    ids[:, :4] = torch.tensor([[49406, 320, 1929, 49407], [49406, 518, 1929, 49407]])
    texts = model.text_features(model.encode_text(ids[:, :4], torch.ones(2, 4, dtype=torch.bool)))
    pixels = torch.randn(2, 3, 32, 32)
    videos = model.video_features(model.encode_pixels(pixels[:, None]))
    torch.testing.assert_close(texts, given.encode_text(ids, normalize=True), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(videos, given.encode_image(pixels, normalize=True), atol=1e-5, rtol=1e-5)
