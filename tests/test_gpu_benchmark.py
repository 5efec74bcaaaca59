"""What benchmarks/gpu_check.py counts and tells, as far as that can be tried without a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DRIVER = """
int cuvidCreateDecoder(int *made, int *info) { return *made = *info + 1, 0; }
int cuvidReconfigureDecoder(int *made, int *info) { return *made + *info; }
int cuvidCreateVideoParser(int *made, int *info) { return 7; }
int cuvidGetDecoderCaps(void) { return 42; }
"""
CALL = """
import ctypes, json, sys
sys.path.insert(0, "benchmarks")
from gpu.counted import counts
library = ctypes.CDLL("libnvcuvid.so.1")
made, info = ctypes.c_int(0), ctypes.c_int(5)
two = ctypes.byref(made), ctypes.byref(info)
given = [library.cuvidCreateVideoParser(*two) for _ in range(4)]
given += [library.cuvidCreateDecoder(*two), made.value, library.cuvidReconfigureDecoder(*two)]
print(json.dumps([*given, library.cuvidGetDecoderCaps(), counts()]))
"""
BUILD = "import sys; sys.path.insert(0, 'benchmarks'); from pathlib import Path; from gpu.counted import *; " + (
    "import json; print(json.dumps(count_decoders(Path(sys.argv[1]))))"
)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_decoders_are_counted_between_their_user_and_the_driver(tmp_path: Path) -> None:
    (tmp_path / "driver.c").write_text(DRIVER)
    driver = tmp_path / "driver"
    driver.mkdir()
    build = ["gcc", "-shared", "-fPIC", str(tmp_path / "driver.c"), "-Wl,-soname,libnvcuvid.so.1"]
    subprocess.run([*build, "-o", str(driver / "libnvcuvid.so.1")], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(driver)}

    def run(script: str, *arguments: str, **more: str) -> str:
        command = [sys.executable, "-c", script, *arguments]
        ran = subprocess.run(command, env=env | more, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
        return ran.stdout

    counting = json.loads(run(BUILD, str(tmp_path / "counted")))
    answers = [7, 7, 7, 7, 0, 6, 11, 42]
    found = {"made": 1.0, "resized": 1.0, "streams": 4.0, "reused": 0.75}
    assert json.loads(run(CALL, **counting)) == [*answers, found]
    assert json.loads(run(CALL)) == [*answers, {}]
