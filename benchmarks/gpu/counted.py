"""NVDEC decoders that are made, and those that are used again, counted.

DALI asks the loader of libraries for libnvcuvid.so.1. A library of that name that is found first counts the calls that
make a decoder, change its size or open a stream; all others are found in the driver's own, on which it depends under
another name: a copy, in which that name is written over.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

_NAME, _OTHER = b"libnvcuvid.so.1", b"libnvcuvid.so.9"
_WHAT = ("made", "resized", "streams")
_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
static long counts[3];
typedef int (*call)(void *, void *);
#define COUNTED(name, place)                                        \\
    int name(void *one, void *two)                                  \\
    {                                                               \\
        __atomic_add_fetch(&counts[place], 1, __ATOMIC_RELAXED);    \\
        return ((call)dlsym(RTLD_NEXT, #name))(one, two);           \\
    }
COUNTED(cuvidCreateDecoder, 0)
COUNTED(cuvidReconfigureDecoder, 1)
COUNTED(cuvidCreateVideoParser, 2)
long counted(int place) { return __atomic_load_n(&counts[place], __ATOMIC_RELAXED); }
"""


def count_decoders(folder: Path) -> dict[str, str]:
    """Build the library; returns the environment in which a process counts. Raises OSError where that cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise OSError("there is no C compiler here")
    folder.mkdir(parents=True, exist_ok=True)
    ctypes.CDLL(_NAME.decode())
    maps = Path("/proc/self/maps").read_text()
    driver = next(line.split(maxsplit=5)[5] for line in maps.splitlines() if "libnvcuvid.so" in line)
    copy = folder / _OTHER.decode()
    copy.write_bytes(Path(driver).read_bytes().replace(_NAME + b"\0", _OTHER + b"\0"))
    (folder / "counted.c").write_text(_SOURCE)
    command = [compiler, "-shared", "-fPIC", "-O1", str(folder / "counted.c"), f"-Wl,-soname,{_NAME.decode()}"]
    command += ["-Wl,--no-as-needed", str(copy), f"-Wl,-rpath,{folder}", "-ldl", "-o", str(folder / _NAME.decode())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"cannot be built: {done.stderr.strip()[:300]}")
    before = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": f"{folder}:{before}" if before else str(folder)}


def counts() -> dict[str, float]:
    """Decoders made and resized, and streams opened, in this process; empty where nobody counts."""
    try:
        counted = ctypes.CDLL(_NAME.decode()).counted
    except (OSError, AttributeError):
        return {}
    counted.restype = ctypes.c_long
    found = {what: float(counted(place)) for place, what in enumerate(_WHAT)}
    return {**found, "reused": 1 - found["made"] / found["streams"]} if found["streams"] else found
