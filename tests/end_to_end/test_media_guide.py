"""docs/media.md is true: its commands work as written, in their order, and its tables are those of the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.media.codecs import CODECS
from tools.media.profiles import PROFILES, FramesProfile

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "media.md").read_text()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_commands_work_in_their_order(tmp_path: Path) -> None:
    for name in ("samples", "tools", "shards"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    fences = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    commands = [line for fence in fences for line in fence.splitlines()]
    assert len(commands) >= 8
    said = ""
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said = done.stdout
    assert json.loads(said)["profile"].items() >= {"name": "h264_256", "fps": 2.0, "gop": 4, "quality": 26}.items()
    data = tmp_path / "data"
    at_once = (data / "webvid_at_once/000000.tar").read_bytes()
    assert at_once == (data / "webvid_256/000000.tar").read_bytes()


def test_the_tables_name_every_profile_and_every_option_with_their_defaults() -> None:
    for name, profile in PROFILES.items():
        assert f"`{name}`" in GUIDE
        if isinstance(profile, FramesProfile):
            assert profile.picture == "jpeg" and profile.quality is None
    for field in {field for profile in PROFILES.values() for field in type(profile).model_fields}:
        assert f"| `--{field.replace('_', '-')} " in GUIDE
    for codec, crf in {"h264": 23, "hevc": 26, "av1": 35}.items():
        assert CODECS[codec].quality == crf and f"crf {crf} |" in GUIDE
