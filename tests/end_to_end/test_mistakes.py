"""What users get wrong, and what hostile files hold, ends in one line with the place: no traceback, no "bug".

Every command meets every kind of broken input where it would read it. The commands run in this process, as their
programs run them; what each kind is answered in words is held by the tests of its own module.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from mcg import answer, evaluate
from mcg.convert.__main__ import main as convert
from shards.cli.app import app as shards_app
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from tests.shards.foreign_tars import img2dataset_files, write_tar
from tools.commands import app as tools_app

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "\x1b[31m\u202e"
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "zeros": bytes(4096),
    "noise": bytes(range(256)) * 16,
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1048576\n" % (b"0" * 64),
    "page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "null": b"null",
    "list": b"[1, 2, 3]",
    "text": b'"text"',
    "number": b"1e400",
    "digits": b"9" * 20_000,
    "deep list": b"[" * 3000 + b"]" * 3000,
    "deep object": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "open list": b"[" * 100_000,
    "deep yaml": b"\n".join(b" " * i + b"a:" for i in range(1500)),
    "aliases": b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)),
    "tag": b"!!python/object/apply:os.system ['true']\n",
    "tabs": b"a:\n\t- b: [\n",
    "escapes": f"{HOSTILE}: {HOSTILE}\n".encode(),
    "surrogates": b'{"a": "\\ud800\\udfff\\ud800"}',
    "utf-16": "a,b\nc,d\n".encode("utf-16"),
    "nul": b"a\0b,c\0d\n",
    "gzip": gzip.compress(b"{}"),
    "long line": b'{"name": "' + b"x" * 1_200_000 + b'"}',
}


QUICK = ("empty", "noise", "pointer", "deep list", "aliases", "escapes", "long line")
KINDS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in BROKEN]


def _ends_well(result: Result, what: str) -> None:
    """An exit code of the table, and for an error one short line of printable text."""
    error = result.exception
    assert error is None or isinstance(error, SystemExit), f"{what}: {error!r}"
    assert result.exit_code in (0, 1, 2, 3), what
    said = result.stderr
    assert "Traceback" not in said and "is a bug" not in said, f"{what}: {said[:500]}"
    assert not {"\x1b", "\u202e", "\0"} & set(said + result.stdout), f"{what}: {said[:200]!r}"
    if result.exit_code:
        lines = [
            line for line in said.splitlines() if line.strip() and not line.startswith(("Usage:", "Try ", "╭", "│"))
        ]
        assert lines, f"{what}: exit {result.exit_code} and not a word"
        assert max(map(len, lines)) <= 2100, f"{what}: a line of {max(map(len, lines))} characters"
        assert sum(line.startswith("error:") for line in lines) <= 12, f"{what}: {said[:500]}"


def _run(app: typer.Typer, *words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _program(main: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return app


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes") / "set"
    write_tar(folder / "a.tar", img2dataset_files(["a0", "a1"]))
    index_tars(str(folder), looks=Looks(media=True))
    return folder


VERBS = (("ls",), ("ls", "--records"), ("stats",), ("verify",), ("bench",), ("preview",))


@pytest.mark.parametrize("content", KINDS)
@pytest.mark.parametrize("name", ["dataset.json", "shards.parquet", "index.parquet", "a.tar"])
def test_verbs_of_shards_meet_a_broken_file(indexed: Path, tmp_path: Path, name: str, content: str) -> None:
    folder = Path(shutil.copytree(indexed, tmp_path / "set"))
    (folder / name).write_bytes(BROKEN[content])
    for verb, *options in VERBS:
        out = ["--out", tmp_path / "page.html"] if verb == "preview" else []
        _ends_well(_run(shards_app, verb, folder, *options, *out), f"{verb} with {content} as {name}")
    _ends_well(_run(shards_app, "merge", folder, folder, "--out", tmp_path / "merged"), f"merge with {name}")
    _ends_well(_run(shards_app, "index", folder, "--jobs", 1), f"index with {content} as {name}")


@pytest.mark.parametrize("content", KINDS)
def test_index_meets_broken_members(tmp_path: Path, content: str) -> None:
    for ext in ("jpg", "json", "txt", "mp4", "png", "gif", "zip", "webp", "tif"):
        files = [(f"k.{e}", data) for e, data in (("jpg", b"x"), ("txt", b"a caption")) if e != ext]
        write_tar(tmp_path / ext / "a.tar", [*files, (f"k.{ext}", BROKEN[content])])
        _ends_well(_run(shards_app, "index", tmp_path / ext, "--media", "--jobs", 1), f"{content} as {ext}")
        _ends_well(_run(shards_app, "ls", tmp_path / ext, "--records"), f"ls of {content} as {ext}")


@pytest.mark.parametrize("column", ["key", "kind", "num_records", "members", "shard", "fps"])
def test_verbs_meet_null_columns_and_columns_of_another_type(indexed: Path, tmp_path: Path, column: str) -> None:
    for number, made in enumerate(([None, None], [b"x", b"y"], [[1], [2]], [True, False], [-(2**60), 2**60])):
        folder = Path(shutil.copytree(indexed, tmp_path / str(number)))
        for name in ("index.parquet", "shards.parquet"):
            table = pq.read_table(folder / name)
            at = table.schema.get_field_index(column)
            if at >= 0:
                values = pa.array(made[: len(table)] if len(table) < 2 else made)
                pq.write_table(table.set_column(at, column, values), folder / name)
        for verb, *options in VERBS[:4]:
            _ends_well(_run(shards_app, verb, folder, *options), f"{verb} with {made} as {column}")


@pytest.mark.parametrize("content", KINDS)
def test_tools_meet_a_broken_annotation_file(tmp_path: Path, content: str) -> None:
    file, media = tmp_path / "annotations", tmp_path / "media"
    media.mkdir()
    for dataset, suffix in (
        ("webvid", "csv"),
        ("cc3m", "tsv"),
        ("msrvtt-qa", "json"),
        ("msvd-qa", "json"),
        ("nextqa", "csv"),
        ("nextqa-oe", "csv"),
        ("tgif-qa", "tsv"),
    ):
        named = file.with_suffix(f".{suffix}")
        named.write_bytes(BROKEN[content])
        words = ["build", dataset, "--annotations", named, "--media", media, "--out", tmp_path / "out" / dataset]
        _ends_well(_run(tools_app, *words), f"{dataset} with {content}")
    for verb in ("transcode", "export-ffcv"):
        _ends_well(_run(tools_app, verb, media, tmp_path / verb), f"{verb} of an empty folder")


@pytest.mark.parametrize("content", KINDS)
def test_programs_of_mcg_meet_broken_files(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file"
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for name in ("checkpoint.json", "model.safetensors"):
        (checkpoint / name).write_bytes(BROKEN[content])
    asking, scoring, converting = _program(answer.main), _program(evaluate.main), _program(convert)
    for suffix in (".yaml", ".pt", ".safetensors", ".bin", ".mp4"):
        file.with_suffix(suffix).write_bytes(BROKEN[content])
    config, video = file.with_suffix(".yaml"), file.with_suffix(".mp4")
    _ends_well(_run(scoring, "--config", config, "--checkpoint", checkpoint), f"evaluate with {content} as config")
    config = ROOT / "configs/demo/ft_qa.yaml"
    _ends_well(_run(scoring, "--config", config, "--checkpoint", checkpoint), f"evaluate with {content}")
    words = ["--checkpoint", checkpoint, "--video", video, "--question", "why?"]
    _ends_well(_run(asking, *words), f"answer with {content}")
    for suffix in (".pt", ".safetensors", ".bin"):
        _ends_well(_run(converting, file.with_suffix(suffix), tmp_path / "out"), f"convert with {content} as {suffix}")


@pytest.mark.parametrize(
    "path",
    [
        "nowhere",
        "s3://",
        "s3://bucket",
        "http://",
        "https://[::1",
        "ftp://x/y",
        "local:///etc",
        "memory://none",
        "\0",
        "",
    ],
)
def test_verbs_meet_places_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("MCG_SOURCE_DEADLINE", "0.2")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    for verb in ("index", "ls", "stats", "verify", "bench"):
        _ends_well(_run(shards_app, verb, path), f"{verb} of {path!r}")
