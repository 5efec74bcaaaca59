"""Make the peers' environments: one virtual environment each, with exact versions, so that no peer's pins touch ours.

    python benchmarks/peer_venvs.py [--venvs /tmp/mcg-peers]

Some 5 GB (hard links from uv's cache cost less) and half a minute where uv's cache is warm. Wheels in the folders of
PIP_FIND_LINKS are preferred, as for the project itself; there a CPU build of torch saves gigabytes. What is there
already is left alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

DEFAULT = Path("/tmp/mcg-peers")
TORCH = "torch==2.13.0"
PACKAGES = {
    "webdataset": ["webdataset==1.0.2", TORCH, "pillow"],
    "mosaic": ["mosaicml-streaming==0.13.0", TORCH],
    "litdata": ["litdata==0.2.76", TORCH],
    "energon": ["megatron-energon==7.4.1", TORCH, "boto3"],
    "spdl": ["spdl==0.8.0", "pillow"],
    "dali": ["nvidia-dali-cuda120==2.4.0", "numpy"],
    # decoders; torchcodec finds FFmpeg's libraries in the system (bench_decode.py)
    "torchcodec": ["torchcodec==0.13.0", TORCH, "numpy"],
    "decord": ["decord==0.6.0", "numpy"],
    "energon-av": ["megatron-energon[av_decode]==7.4.1", TORCH],
    "pyav": ["av==18.1.0", "numpy"],
}


def python_of(peer: str, venvs: Path) -> str:
    """The interpreter of a peer. Raises FileNotFoundError that says how to make it."""
    if peer == "ours":
        return sys.executable
    python = venvs / peer / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{python}: make the peers' environments first: python benchmarks/peer_venvs.py")
    return str(python)


def make(venvs: Path) -> None:
    """Make what is missing."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv is neither beside this Python nor on the PATH: pip install uv")
    found = {"UV_FIND_LINKS": os.environ["PIP_FIND_LINKS"]} if "PIP_FIND_LINKS" in os.environ else {}
    for peer, packages in PACKAGES.items():
        folder = venvs / peer
        done = folder / "complete.txt"
        if done.exists() and done.read_text().split() == packages:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(folder / "bin" / "python")]
        subprocess.run([*install, *packages], check=True, env={**os.environ, **found})
        done.write_text("\n".join(packages))
        print(f"{peer}: {', '.join(packages)}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--venvs", type=Path, default=DEFAULT)
    make(options.parse_args().venvs)
