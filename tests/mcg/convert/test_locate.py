"""Pretrained weights by path or known name; what is not there is told with the way to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.convert.locate import KNOWN, locate
from mcg.convert.rules import ConvertError


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path


def test_a_known_name_is_found_in_the_cache_of_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--google-bert--bert-base-uncased"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a1")
    (repository / "snapshots" / "a1").mkdir(parents=True)
    (repository / "snapshots" / "a1" / "model.safetensors").touch()
    assert locate("bert-base-uncased") == repository / "snapshots" / "a1" / "model.safetensors"


def test_what_is_not_cached_is_told_with_command_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConvertError, match=r"`hf download timm/vit_base_patch16_224\.augreg_in21k_ft_in1k model"):
        locate("vit_base_patch16_224.augreg_in21k_ft_in1k")


def test_what_has_no_repository_is_looked_for_in_torchs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = Path(torch.hub.get_dir()) / "checkpoints" / "model_base_14M.pth"
    with pytest.raises(ConvertError, match=r"Put https://storage\.googleapis\.com/.*model_base_14M\.pth at .*check"):
        locate("blip-base-14m")
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert locate("blip-base-14m") == kept


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConvertError, match=r"nope: no such file or folder, nor a known name; known names: .*bert-base"):
        locate("nope")
    assert "bert-base-uncased" in KNOWN
