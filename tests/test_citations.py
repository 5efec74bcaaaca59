"""What a text of the tree cites is in the tree: pages, headings, files, commands, config keys, sections of facts.

Read are documents, comments and docstrings; for pages and commands strings too. A path is one that begins with a
folder of ours and has a suffix or a closing slash. Words in capitals (NAME) stand for something and are not looked up.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path
from typing import Any

from mcg.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("shards", "mcg", "tools", "tests", "docs", "configs", "benchmarks", "samples", ".ci")
FACTS = "docs/facts/mcg_alpro.md"
NOT_OURS = {
    "setup.py": "packaging of others",
    "zero_to_fp32.py": "DeepSpeed's",
    "tests/test_files/test_webvid.csv": "video2dataset's",
    "utils.py": "a name that CONTRIBUTING.md forbids",
    "common.py": "a name that CONTRIBUTING.md forbids",
    "misc.py": "a name that CONTRIBUTING.md forbids",
}
"""What texts name although it is not in the tree, and why."""

_NAME = r"[\w.*-]+(?:/[\w.*-]+)*"
PAGE = re.compile(r"(?<![\w/.:*$}-])(?:\.\./)*[\w.-]+(?:/[\w.-]+)*\.md\b")
PATH = re.compile(rf"(?<![\w/.:$}}-])(?:{'|'.join(map(re.escape, FOLDERS))})/(?:{_NAME}\.\w+|{_NAME}/)")
SOURCE = re.compile(r"(?<![\w/.:*$}<-])(?:\w+/)*[a-z]\w*\.py\b")
OUTSIDE = re.compile(r"(?<![\w/.(])\.\./[\w./-]+")
LINK = re.compile(r"\]\(([^()\s]+)\)")
MODULE = re.compile(r"\bpython3? -m ((?:shards|mcg|tools)\b[\w.]*)")
KEY = re.compile(r"`([a-z_]+(?:\.[a-z_*]+)+)(?:=[^`]*)?`")
NUMBER = r"\d+(?:\.\d+)*"
SECTION = re.compile(rf"(?:(docs/facts/\w+\.md)|\b[Ff]acts) (?:sections? )?({NUMBER}(?:(?:, | and ){NUMBER})*)")
ROW = re.compile(r"\b[AM]\d{1,2}\b")


def _files(*patterns: str) -> list[str]:
    found = [p for pattern in patterns for p in ROOT.glob(pattern)]
    found += [p for pattern in patterns for folder in FOLDERS for p in (ROOT / folder).rglob(pattern)]
    return sorted({str(p.relative_to(ROOT)) for p in found if p.is_file() and "__pycache__" not in p.parts})


PAGES = _files("*.md")
SOURCES = _files("*.py")
ALL = [*PAGES, *SOURCES, *_files("*.yaml", "*.toml", "*.sh", "Makefile", "run")]


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    lost = []
    for file in PAGES:
        for target in LINK.findall(_text(file)):
            name, _, anchor = target.partition("#")
            page = (ROOT / file).parent / name if name else ROOT / file
            if "://" in target or (_is_here(page) and (not anchor or anchor in _anchors(page.resolve()))):
                continue
            lost.append(f"{file}: {target}")
    assert not lost, "links to what is not there:\n" + "\n".join(lost)


def test_every_page_is_there() -> None:
    names = {Path(page).name for page in PAGES}
    lost = [
        f"{file}: {page}"
        for file in ALL
        for page in sorted(set(PAGE.findall(_text(file))))
        if page not in names
        if not any(_is_here(folder / page) for folder in (ROOT, (ROOT / file).parent, ROOT / "docs"))
    ]
    assert not lost, "pages that are not in the tree:\n" + "\n".join(lost)


def test_every_file_and_folder_is_there() -> None:
    """None lies beside the tree; only links lead up (test_every_link_leads_to_a_file_and_a_heading)."""
    lost = [f"{file}: {path}" for file in ALL for path in OUTSIDE.findall(_prose(file))]
    lost += [
        f"{file}: {path}"
        for file in ALL
        for path in sorted(set(PATH.findall(_prose(file))) - set(NOT_OURS))
        if not _is_placeholder(path) and not _is_found(path) and not (file in PAGES and _is_found(f"tests/{path}"))
    ]
    assert not lost, "files and folders that are not in the tree:\n" + "\n".join(lost)


def test_every_source_is_there() -> None:
    """Named by its file, or by the end of its path."""
    ends = {"/".join(parts[i:]) for parts in (name.split("/") for name in SOURCES) for i in range(len(parts))}
    lost = [
        f"{file}: {name}"
        for file in ALL
        for name in sorted(set(SOURCE.findall(_prose(file))) - ends - set(NOT_OURS))
        if not _is_placeholder(name)
    ]
    assert not lost, "sources that are not in the tree:\n" + "\n".join(lost)


def test_the_tree_in_the_readme_is_the_tree() -> None:
    """Every line is there, and every folder of mcg has its line."""
    tree = _text("README.md").split("## Where things are")[1].split("```")[1]
    found, folder = [], ""
    for line in tree.strip().splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        found.append(folder + name if line.startswith(" ") else name)
    lost = [name for name in found if not (ROOT / name).exists()]
    lacking = {f"mcg/{p.parent.name}/" for p in (ROOT / "mcg").glob("*/__init__.py")} - set(found)
    assert not lost and not lacking, f"README.md, Where things are: not in the tree {lost}, not named {sorted(lacking)}"


def test_every_command_is_there() -> None:
    lost = [f"{file}: {module}" for file in ALL for module in MODULE.findall(_text(file)) if not _is_module(module)]
    assert not lost, "modules that cannot be run:\n" + "\n".join(lost)


def test_every_config_key_is_there() -> None:
    """Dotted names in backticks whose first word is a field of the root config."""
    schema = RunConfig.model_json_schema()
    lost = [
        f"{file}: {key}"
        for file in PAGES
        for key in KEY.findall(_text(file))
        if key.partition(".")[0] in schema["properties"] and not re.search(r"\.(zip|safetensors|json|py)$", key)
        if not _has_key(schema, schema, key.split("."))
    ]
    assert not lost, "keys that no config has:\n" + "\n".join(lost)


def test_every_section_of_facts_is_there() -> None:
    lost = [
        f"{file}: {page or FACTS} {number}"
        for file in ALL
        for page, numbers in SECTION.findall(_prose(file))
        for number in re.findall(NUMBER, numbers)
        if number not in _sections(page or FACTS)
    ]
    assert not lost, "sections that are not there:\n" + "\n".join(lost)


def test_every_bug_of_a_release_has_its_row() -> None:
    rows = set(re.findall(r"^\| ([AM]\d+) \|", _text(FACTS), re.MULTILINE))
    files = ["docs/mcg.md", "mcg/compat.py", *_files("*.yaml")]
    lost = [f"{file}: {row}" for file in files for row in sorted(set(ROW.findall(_prose(file))) - rows)]
    assert rows and not lost, f"rows that {FACTS} does not have:\n" + "\n".join(lost)


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def _prose(file: str) -> str:
    """A page whole; of a source its comments and docstrings; of settings their comments."""
    text = _text(file)
    if file.endswith(".md"):
        return text
    if not file.endswith(".py"):
        return "\n".join(line.partition("#")[2] for line in text.splitlines())
    comments = [t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT]
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return "\n".join([*texts, *comments])


def _is_here(path: Path) -> bool:
    return path.exists() and path.resolve().is_relative_to(ROOT)


def _is_placeholder(path: str) -> bool:
    return bool(re.search(r"(?<![a-z])[A-Z]+(?![a-z])", path.removesuffix("README.md")))


def _is_found(path: str) -> bool:
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def _is_module(name: str) -> bool:
    path = ROOT / name.rstrip(".").replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@cache
def _anchors(page: Path) -> set[str]:
    """Those of a page's headings, as GitHub makes them."""
    outside = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def _sections(page: str) -> set[str]:
    """Numbers of a page's headings, and of entries in numbered lists below them: "3.3", "0.5"."""
    found, section = set(), ""
    for line in _text(page).splitlines():
        if title := re.match(r"#+ (\d+(?:\.\d+)*)\.? ", line):
            section = title[1]
            found.add(section)
        elif entry := re.match(r"(\d+)\. ", line):
            found.add(f"{section}.{entry[1]}")
    return found


def _has_key(schema: dict[str, Any], node: dict[str, Any], key: list[str]) -> bool:
    """True if a value of the JSON schema `node` may have the dotted key; * stands for any name."""
    if "$ref" in node:
        return _has_key(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], key)
    if any(_has_key(schema, way, key) for way in [*node.get("anyOf", ()), *node.get("oneOf", ())]):
        return True
    if not key:
        return "anyOf" not in node and "oneOf" not in node
    if isinstance(node.get("additionalProperties"), dict):
        return _has_key(schema, node["additionalProperties"], key[1:])
    fields = node.get("properties", {})
    chosen = fields.values() if key[0] == "*" else [fields[key[0]]] if key[0] in fields else []
    return any(_has_key(schema, field, key[1:]) for field in chosen)
