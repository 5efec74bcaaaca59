"""A GPU is found by the name that torch gives it, and each name in the table by itself."""

from __future__ import annotations

from mcg.engine.gpus import GPUS, find_gpu


def test_each_name_finds_its_own_gpu() -> None:
    assert all(find_gpu(f"NVIDIA {name.lower()}") is gpu for name, gpu in GPUS.items())
    assert find_gpu("NVIDIA A100-SXM4-40GB") is GPUS["A100-SXM4-40GB"]
    assert find_gpu("NVIDIA A100-SXM4-80GB") is GPUS["A100"]
    assert find_gpu("Radeon") is None
