"""docs/streaming.md is true: its commands work as written, in their order, and it explains every counter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from shards import LoaderConfig
from shards.cache.transfers import COUNTS
from shards.storage.client import TRAFFIC
from tests.servers.s3 import S3Server

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "streaming.md").read_text()


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_commands_work_in_their_order(rgw: S3Server, use_s3: Callable[..., None], tmp_path: Path) -> None:
    use_s3(rgw)
    for name in ("samples", "tools", "shards"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    commands = [line for fence in fences("sh") for line in fence.splitlines()]
    assert len(commands) >= 8
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_config_is_one() -> None:
    (fence,) = fences("yaml")
    config = LoaderConfig.model_validate(yaml.safe_load(fence)["data"]["train"])
    assert config.cache is not None and config.cache.limit == 200 * 10**9


def test_every_counter_is_explained() -> None:
    counters = [*TRAFFIC, *(f"cache_{name}" for name in COUNTS), "cache_evictions"]
    assert [name for name in counters if f'["{name}"]' not in GUIDE] == []
