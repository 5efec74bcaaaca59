"""The verbs on an object store: a real S3 server that checks keys, and tars as img2dataset leaves them there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards import ClipConfig, DatasetConfig, EncodedClip, Loader, LoaderConfig, Sample, plan_clip
from tests.shards.foreign_tars import caption, img2dataset_files, write_tar

ROOT = Path(__file__).resolve().parents[4]
KEYS = [[f"{shard:05d}{number:04d}" for number in range(3)] for shard in range(2)]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shards", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, check=False)


def encode(sample: Sample, rng: Callable[[str], np.random.Generator]) -> EncodedClip:
    plan = plan_clip(sample.facts, ClipConfig(num_frames=1, size=32), rng("clip"))
    return EncodedClip(sample.media, sample.facts.kind, plan, {}, {"caption": sample.record["caption"]})


@pytest.mark.long
@pytest.mark.parametrize("beside", [True, False])
def test_tars_on_s3_are_indexed_checked_listed_and_loaded(
    tmp_path: Path, s3_server: Any, s3_login: Callable[[str, str], None], beside: bool
) -> None:
    import boto3

    s3_login(s3_server.key, s3_server.secret)
    login = {"aws_access_key_id": s3_server.key, "aws_secret_access_key": s3_server.secret}
    client = boto3.client("s3", endpoint_url=s3_server.endpoint, region_name="us-east-1", **login)
    prefix = f"web-{beside}"
    for shard, keys in enumerate(KEYS):
        tar = write_tar(tmp_path / f"{shard:05d}.tar", img2dataset_files(keys))
        client.upload_file(str(tar), s3_server.bucket, f"{prefix}/{shard:05d}.tar")
    url = f"s3://{s3_server.bucket}/{prefix}"
    index = url if beside else str(tmp_path / "index")
    done = call("index", f"{url}/{{00000..00001}}.tar", "--media", "--json", *([] if beside else ["--out", index]))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["num_shards"], told["num_samples"], told["num_quarantined"]) == (2, 6, 0)
    again = call("index", f"{url}/{{00000..00001}}.tar", "--media", "--json", *([] if beside else ["--out", index]))
    assert json.loads(again.stdout)["num_scanned"] == 0, "nothing changed, so nothing is read"
    checked = call("verify", index, "--decode", "--json")
    assert checked.returncode == 0, checked.stderr
    listed = call("ls", index, "--lines", "--records")
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [line["key"] for line in found] == [key for keys in KEYS for key in keys]
    config = LoaderConfig(blend=(DatasetConfig(name="web", path=index),), batch_size=4, mode="eval")
    with Loader(config, 0, 1, encode) as loader:
        captions = [
            meta["caption"] for batch in loader for meta, valid in zip(batch.meta, batch.valid, strict=True) if valid
        ]
    assert captions == [caption(key) for keys in KEYS for key in keys]
    wrong = call("verify", f"s3://{s3_server.bucket}/nothing-here")
    assert wrong.returncode == 2 and "no dataset here" in wrong.stderr
