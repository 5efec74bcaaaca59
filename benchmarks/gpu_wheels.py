"""What gpu_check.py needs, as wheels in parts small enough to be carried to a machine without a network.

    python benchmarks/gpu_wheels.py .gpu                       download, pack, split; tells what to do there
    python benchmarks/gpu_wheels.py .gpu --python 3.12 --part-mib 48

The machine has torch with its numpy, nothing else is relied on. Versions are those of constraints.txt. Wheels of more
than one part are why it is one archive cut to pieces: NVIDIA DALI alone is 190 MiB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    # DALI and what it loads
    *(
        "nvidia-dali-cuda130",
        "nvidia-nvimgcodec-cu13",
        "nvidia-libnvcomp-cu13",
        "nvidia-nvjpeg",
        "nvidia-nvjpeg2k-cu13",
    ),
    *("nvidia-nvtiff-cu13", "astunparse", "gast", "six", "optree", "packaging", "nvtx", "makefun", "libcst", "pyyaml"),
    # shards: its decoders, index, configuration
    *("av", "pillow", "pyarrow", "xxhash", "pydantic", "pydantic-core", "annotated-types", "typing-extensions"),
    *("typing-inspection", "webdataset", "braceexpand", "timm"),
    # the tables of the benchmarks
    *("rich", "markdown-it-py", "mdurl", "pygments"),
)
_TAGS = ("2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="for the parts; to be ignored by git")
    options.add_argument("--python", default="3.12", help="of the machine that they are for")
    options.add_argument("--part-mib", type=int, default=48, help="size of a part")
    chosen = options.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for old in chosen.folder.glob("part-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as wheels, tempfile.TemporaryFile() as archive:
        _download(Path(wheels), chosen.python)
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for wheel in sorted(Path(wheels).glob("*.whl")):
                tar.add(wheel, wheel.name)
                print(f"{wheel.stat().st_size / 2**20:7.1f} MiB  {wheel.name}")
        archive.seek(0)
        number = 0
        while part := archive.read(chosen.part_mib << 20):
            (chosen.folder / f"part-{number:02d}").write_bytes(part)
            number += 1
    print(f"{number} parts in {chosen.folder}. There, for each part, one after the other while the machine is held:")
    print(f"  mkdir -p /tmp/parts && cp {chosen.folder}/part-NN /tmp/parts/      (carry that part alone)")
    print("and with the last one:")
    print("  mkdir -p /tmp/whl && cat /tmp/parts/part-* | tar x -C /tmp/whl && python3 -m pip install -q --no-index \\")
    print("    --no-deps --no-compile --target /tmp/site /tmp/whl/*.whl && PYTHONPATH=/tmp/site make gpu-check")


def _download(folder: Path, python: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.strip().split("==") for line in lines if "==" in line and not line.startswith("#"))
    tags = [word for tag in _TAGS for word in ("--platform", f"manylinux_{tag}_x86_64")]
    tags += ["--platform", "manylinux2014_x86_64", "--platform", "manylinux1_x86_64", "--platform", "any"]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    command += ["--python-version", python, "--implementation", "cp", *abis, *tags]
    subprocess.run([*command, *(f"{name}=={pins[name]}" for name in NAMES)], check=True)


if __name__ == "__main__":
    main()
