"""Backends are found by name; `auto` and `dali` take what the machine has, say why, and say what is missing."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from shards.base.errors import NoDecoder
from shards.decode.backends import BACKENDS, open_backend, open_decoder
from shards.decode.cpu import decode

REPOSITORY = Path(__file__).resolve().parents[3]
DRIVER, VIDEO_DRIVER = "libcuda.so.1", "libnvcuvid.so.1"
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """machine(*libraries of the driver, sees_gpu=..., has_dali=..., torchcodec=...): one that has these; has_dali: None
    as it is; torchcodec: the module, None where it is not installed."""

    def make(
        *libraries: str, sees_gpu: bool = False, has_dali: bool | None = None, torchcodec: ModuleType | None = None
    ) -> None:
        monkeypatch.setitem(sys.modules, "torchcodec", torchcodec)
        load = ctypes.CDLL

        def load_or_not(name: str, *args: Any, **options: Any) -> Any:
            if name not in (DRIVER, VIDEO_DRIVER):
                return load(name, *args, **options)
            if name not in libraries:
                raise OSError(f"{name}: cannot open shared object file: No such file or directory")
            return object()

        monkeypatch.setattr(ctypes, "CDLL", load_or_not)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: sees_gpu)
        if has_dali is not None:
            module = ModuleType("nvidia.dali")
            module.__spec__ = ModuleSpec("nvidia.dali", None)
            monkeypatch.setitem(sys.modules, "nvidia.dali", module if has_dali else None)

    return make


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_name_opens_a_function(name: str) -> None:
    assert callable(open_decoder(name))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown decoder 'gpu'; known: auto, cpu, dali, torchcodec"):
        open_decoder("gpu")
    assert sorted(BACKENDS) == ["auto", "cpu", "dali", "torchcodec"]


def test_auto_takes_the_cpu_where_no_gpu_is(machine: Machine) -> None:
    machine(DRIVER)
    backend = open_backend("auto")
    assert (backend.name, backend.reason) == ("cpu", "torch sees no CUDA device") and backend.decode is decode
    machine(sees_gpu=True)
    assert open_backend("auto").reason == "there is no NVIDIA driver here (libcuda.so.1 cannot be loaded)"


def test_the_choice_and_its_reason_are_said_once() -> None:
    code = """
import ctypes, logging
def load(name, *args, **options):
    raise OSError(name)
ctypes.CDLL = load
logging.basicConfig(level=logging.INFO, format="%(message)s")
from shards.decode.backends import open_backend
for _ in range(2):
    open_backend("auto")
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    reason = "there is no NVIDIA driver here (libcuda.so.1 cannot be loaded)"
    assert run.stderr.splitlines() == [f"decode: cpu, because {reason}"]


def test_auto_takes_the_cpu_where_dali_or_nvdec_are_missing(machine: Machine) -> None:
    machine(DRIVER, VIDEO_DRIVER, sees_gpu=True, has_dali=False)
    assert open_backend("auto").reason == "NVIDIA DALI is not installed (extra dali)"
    machine(DRIVER, sees_gpu=True, has_dali=True)
    backend = open_backend("auto")
    assert (backend.name, backend.reason) == (
        "cpu",
        "the NVIDIA driver here has no video decoder (libnvcuvid.so.1 cannot be loaded)",
    )


def test_dali_that_is_not_installed_names_the_extra(machine: Machine) -> None:
    machine(DRIVER, VIDEO_DRIVER, sees_gpu=True, has_dali=False)
    with pytest.raises(NoDecoder, match=r"install the extra \(pip install 'mcg-streams\[dali\]'\), or set decode to"):
        open_backend("dali")


def test_dali_without_a_gpu_means_its_cpu_operators(machine: Machine) -> None:
    pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")
    machine(DRIVER)
    backend = open_backend("dali")
    assert (backend.name, backend.reason) == (
        "dali-cpu",
        "the configuration says dali, and torch sees no CUDA device",
    )


def made_torchcodec(ffmpeg: int | None = 7, **names: object) -> ModuleType:
    """A module that says with which FFmpeg it was loaded."""
    module = ModuleType("torchcodec")
    module.__spec__ = ModuleSpec("torchcodec", None)
    vars(module).update({"ffmpeg_major_version": ffmpeg} | names)
    return module


def test_torchcodec_that_is_not_installed_names_the_extra(machine: Machine) -> None:
    machine()
    with pytest.raises(
        NoDecoder, match=r"install the extra \(pip install 'mcg-streams\[torchcodec\]'\), or set decode to"
    ):
        open_backend("torchcodec")


def test_torchcodec_without_ffmpeg_names_what_to_install(machine: Machine) -> None:
    machine(torchcodec=made_torchcodec(ffmpeg=None))
    with pytest.raises(NoDecoder, match=r"shared libraries of FFmpeg 4 to 9, .* apt-get install .* ffmpeg") as info:
        open_backend("torchcodec")
    assert "\n" not in str(info.value)


def test_torchcodec_that_does_not_load_says_why(machine: Machine) -> None:
    def broken(name: str) -> None:
        raise OSError("libcudart.so.13: cannot open shared object file\nand much more")

    module = made_torchcodec(__getattr__=broken)
    del module.ffmpeg_major_version
    machine(torchcodec=module)
    with pytest.raises(
        NoDecoder, match=r"cannot load torchcodec \(libcudart.so.13: cannot open.*\); install the shared lib"
    ) as info:
        open_backend("torchcodec")
    assert "\n" not in str(info.value)


def test_torchcodec_decodes_on_the_gpu_where_one_is_and_else_on_the_cpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(DRIVER, VIDEO_DRIVER, torchcodec=made_torchcodec())
    backend = open_backend("torchcodec")
    assert backend[0] == "torchcodec-cpu" and not backend.waiting
    assert backend.reason == "the configuration says torchcodec, and torch sees no CUDA device"
    machine(DRIVER, sees_gpu=True, torchcodec=made_torchcodec())
    assert open_backend("torchcodec").reason.endswith("no video decoder (libnvcuvid.so.1 cannot be loaded)")
    machine(DRIVER, VIDEO_DRIVER, sees_gpu=True, torchcodec=made_torchcodec())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    backend = open_backend("torchcodec")
    assert (backend.name, backend.reason) == ("torchcodec-cuda", "the configuration says so") and backend.waiting == 2


def test_auto_never_takes_torchcodec(machine: Machine) -> None:
    machine(DRIVER, VIDEO_DRIVER, sees_gpu=True, has_dali=False, torchcodec=made_torchcodec())
    assert open_backend("auto").name == "cpu"
