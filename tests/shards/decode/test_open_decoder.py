"""Backends are found by name; `auto` and `dali` take what the machine has, say why, and say what is missing."""

from __future__ import annotations

import logging

import pytest

import shards.decode
from shards.decode import BACKENDS, NoDecoder, open_backend, open_decoder
from shards.decode.cpu import decode


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_name_opens_a_function(name: str) -> None:
    assert callable(open_decoder(name))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown decoder 'gpu'; known: auto, cpu, dali"):
        open_decoder("gpu")
    assert sorted(BACKENDS) == ["auto", "cpu", "dali"]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.decode, "_why_no_gpu", lambda: "torch sees no CUDA device")
    shards.decode._say.cache_clear()


@pytest.mark.usefixtures("no_gpu")
def test_auto_takes_the_cpu_where_no_gpu_is_and_says_why_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shards.decode")
    backends = [open_backend("auto") for _ in range(2)]
    assert backends[0].name == "cpu" and backends[0].decode is decode
    assert [record.message for record in caplog.records] == ["decode: cpu, because torch sees no CUDA device"]


def test_auto_takes_the_cpu_where_dali_or_nvdec_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.decode, "_why_no_gpu", lambda: None)
    monkeypatch.setattr(shards.decode, "_installed", lambda: False)
    assert open_backend("auto").reason == "NVIDIA DALI is not installed (extra dali)"
    monkeypatch.setattr(shards.decode, "_installed", lambda: True)
    monkeypatch.setattr(shards.decode, "_why_no_nvdec", lambda: "no video decoder in this driver")
    backend = open_backend("auto")
    assert (backend.name, backend.reason) == ("cpu", "no video decoder in this driver")


def test_dali_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.decode, "_installed", lambda: False)
    with pytest.raises(NoDecoder, match=r"install the extra \(pip install 'mcg-streams\[dali\]'\), or set decode to"):
        open_backend("dali")


@pytest.mark.usefixtures("no_gpu")
def test_dali_without_a_gpu_means_its_cpu_operators() -> None:
    pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")
    backend = open_backend("dali")
    assert (backend.name, backend.reason) == (
        "dali-cpu",
        "the configuration says dali, and torch sees no CUDA device",
    )
