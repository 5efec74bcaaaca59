"""Caption YAMLs name files of their folder; what is hostile, missing or of another form is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.containers.caption_yaml import CaptionFiles, read_caption_yaml
from tools.rows import AnnotationError, OptionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.img.tsv", "b.img.tsv", "a.caption.tsv", "pairs.tsv", "coco.json"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / "parts.txt").write_text("a.img.tsv\nb.img.tsv\n\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "images", "captions", "pairs"),
    [
        ("img: a.img.tsv\ncaption: a.caption.tsv\n", ["a"], "a.caption.tsv", None),
        (
            "img: a.img.tsv\nlabel: no.tsv\ncaption: a.caption.tsv\ncaption_linelist: pairs.tsv\n",
            ["a"],
            "a.caption.tsv",
            "pairs.tsv",
        ),
        ("img: [a.img.tsv, b.img.tsv]\ncaption_coco_format: coco.json\n", ["a", "b"], "coco.json", None),
        ("composite: true\nimg: parts.txt\ncaption: a.caption.tsv\n", ["a", "b"], "a.caption.tsv", None),
    ],
)
def test_files_are_found_beside_the_yaml(
    folder: Path, text: str, images: list[str], captions: str, pairs: str | None
) -> None:
    (folder / "x.yaml").write_text(text)
    wanted = (
        [folder / f"{name}.img.tsv" for name in images],
        folder / captions,
        None if pairs is None else folder / pairs,
    )
    assert read_caption_yaml(folder / "x.yaml") == CaptionFiles(*wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x.yaml: expected the keys img and caption, found NoneType; docs/containers.md says"),
        ("- a", r"expected the keys img and caption, found list"),
        ("image: a.img.tsv", r"expected the keys img and caption, found image;"),
        ("img: a.img.tsv", r"x.yaml: names no captions; write the key caption with their .tsv"),
        ("img: 3\ncaption: a.caption.tsv", r"x.yaml: img must name a file, found int; correct it"),
        ("img: []\ncaption: a.caption.tsv", r"x.yaml: img names 0 files, 1 to 10,000 are read"),
        ("img: /etc/passwd\ncaption: a.caption.tsv", r"x.yaml: names the file '/etc/passwd', which is no path inside"),
        (f"img: {'a' * 5000}\ncaption: a.caption.tsv", r"x.yaml: names the file 'aaa"),
        ("composite: true\nimg: ../x.txt\ncaption: a.caption.tsv", r"names the file '../x.txt', which is no path"),
        ("img: !!python/object/apply:os.system [ls]", r"x.yaml: not YAML that can be read \(could not determine a con"),
        ("img: [a", r"x.yaml: not YAML that can be read \("),
        ("img: " + "[" * 100_000, r"x.yaml: not YAML that can be read \(nested more than 50 deep, line 1\)"),
        ("a: &a [x]\nimg: [*a, *a]", r"x.yaml: not YAML that can be read \(line 2: \*a stands for a list or object"),
        ("img: &a [*a]", r"\(line 1: \*a stands for a list or object; write it out\)"),
        ("#" * (1 << 20) + "\nimg: a", r"x.yaml: has more than 1 MiB; give SwinBERT's or LAVENDER's caption YAML"),
    ],
)
def test_what_is_no_caption_yaml_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "x.yaml").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_caption_yaml(folder / "x.yaml")


def test_a_missing_yaml_is_a_wrong_option(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"x.yaml: no such file; give SwinBERT's"):
        read_caption_yaml(tmp_path / "x.yaml")
