"""The rules of the house that a test can hold: shape of the tree, direction of imports, set-up files.

Everything is read from the source text with `ast`; only `import shards` is really run, in a process of its own.
Promises nothing about behaviour: that is what the other tests are for.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcg.model import MODELS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("shards", "mcg", "tools")

# Sources whose test file does not have the mirrored name, and where their test is. Keep it short.
TESTED_ELSEWHERE: dict[str, str] = {}
MAY_PRINT = ("train.py", "tools/", "benchmarks/", "mcg/demo/", "mcg/evaluate.py", "mcg/answer.py")
HEAVY = {"torch", "torchvision", "boto3", "botocore", "s3fs", "av", "webdataset", "PIL", "nvidia", "transformers"}
SETUP_FILES = ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run", ".ci/check_system.sh")


def _python_files(*folders: str) -> list[str]:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts)


SOURCES = _python_files(*PACKAGES)
ALL_FILES = [*SOURCES, *_python_files("tests", "benchmarks"), *(path.name for path in sorted(ROOT.glob("*.py")))]


def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), filename=file)


def _imports(file: str) -> Iterator[tuple[int, str]]:
    """Yield (line, top-level package) of every absolute import of a file, those inside functions included."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]


def _places_that_import(files: list[str], forbidden: set[str]) -> list[str]:
    return [f"{file}:{line} imports {name}" for file in files for line, name in _imports(file) if name in forbidden]


def test_there_are_sources_to_check() -> None:
    missing = [package for package in PACKAGES if not (ROOT / package / "__init__.py").is_file()]
    assert not missing, f"packages without __init__.py: {missing}"


@pytest.mark.parametrize("file", ALL_FILES)
def test_file_parses_and_opens_with_a_docstring(file: str) -> None:
    tree = _tree(file)
    assert not tree.body or ast.get_docstring(tree), f"{file}: say at the top what the module promises"


@pytest.mark.parametrize("file", ALL_FILES)
def test_file_is_named_after_a_concept(file: str) -> None:
    name = Path(file).stem.removeprefix("test_").strip("_")
    assert name not in {"util", "utils", "common", "misc", "helper", "helpers"}, f"{file}: name the concept it holds"


def test_importing_shards_loads_nothing_heavy() -> None:
    script = "import shards, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    loaded = HEAVY & set(done.stdout.split())
    assert not loaded, f"`import shards` loads {sorted(loaded)}: import them inside the functions that use them"


def test_dependencies_point_one_way() -> None:
    wrong = _places_that_import(_python_files("shards"), {"mcg", "tools", "train"})
    wrong += _places_that_import(_python_files("mcg"), {"tools", "train"})
    wrong += _places_that_import(_python_files("tools"), {"mcg", "train"})
    assert not wrong, "\n".join(wrong)


def test_only_the_engine_imports_deepspeed() -> None:
    files = [file for file in [*SOURCES, "train.py"] if file != "mcg/engine/deepspeed.py" and (ROOT / file).exists()]
    wrong = _places_that_import(files, {"deepspeed"})
    assert not wrong, "\n".join(wrong)


def test_nothing_is_pickled() -> None:
    wrong = _places_that_import(SOURCES, {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"})
    assert not wrong, "\n".join(wrong)


def test_only_programs_print() -> None:
    wrong = [
        f"{file}:{node.lineno}"
        for file in SOURCES
        if not file.startswith(MAY_PRINT)
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, f"print() outside {MAY_PRINT}: {wrong}"


@pytest.mark.parametrize("file", [file for file in SOURCES if Path(file).stem not in {"__init__", "__main__"}])
def test_source_has_its_test_file(file: str) -> None:
    path = Path(file)
    expected = TESTED_ELSEWHERE.get(file, str(Path("tests") / path.parent / f"test_{path.name}"))
    assert (ROOT / expected).is_file(), f"{file} has no test file: expected {expected}"


def test_every_exception_of_ours_is_raised_in_a_test_that_reads_its_text() -> None:
    # Those with an underscore never leave their module: what becomes of their texts is tested there.
    ours = {
        node.name
        for file in SOURCES
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(_last_name(base).endswith(("Error", "Exception")) for base in node.bases)
    }
    checked = {name for file in _python_files("tests") for name in _exceptions_checked(_tree(file))}
    assert not ours - checked, f"no `pytest.raises(NAME, match=...)` for {sorted(ours - checked)}"


def _last_name(node: ast.expr) -> str:
    """The last part of a dotted name: `errors.ShardError` -> `ShardError`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _exceptions_checked(tree: ast.Module) -> Iterator[str]:
    """Names given to `raises` with `match=`, or with `as` (the text is then read from the caught exception)."""
    held = {
        id(item.context_expr)
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if item.optional_vars
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _last_name(node.func) == "raises" and node.args):
            continue
        if id(node) in held or any(keyword.arg == "match" for keyword in node.keywords):
            kinds = node.args[0].elts if isinstance(node.args[0], ast.Tuple) else node.args[:1]
            yield from map(_last_name, kinds)


@pytest.mark.parametrize("file", SETUP_FILES)
def test_setup_names_no_index_host_and_no_machine_path(file: str) -> None:
    found = re.findall(
        r".*(?:\w+://|index-url|find-links|tool\.uv\.index|pypi|/opt/|/home/|/work/).*", (ROOT / file).read_text()
    )
    assert not found, f"{file} would only work on some machines: {found}"


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {_normal(re.split(r"[\[<>=;! ]", requirement)[0]) for requirement in wanted}
    lines = (line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    unpinned = sorted(names - {_normal(name) for name in [*pins, project["name"]]})
    assert not unpinned, f"add {unpinned} to constraints.txt (`make pins` renews the whole file)"


def _normal(name: str) -> str:
    """The spelling of a distribution's name that all spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


# ------------------------------------------------------------ rooms

# Rooms of shards/ from the ground up; a room imports only from rooms of the lines before its own.
LEVELS = (
    ("base",),
    ("order", "storage"),
    ("media",),
    ("decode",),
    ("dataset",),
    ("select", "cache"),
    ("read",),
    ("loader",),
    ("cli",),
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
MOST_LINES = 300
MOST_FILES = 16


def _module_of(file: str) -> str:
    """`shards/order/plan.py` -> `shards.order.plan`; a package is named by its folder."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {_module_of(file): file for file in SOURCES}


def _modules_imported(file: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, module of ours, name) of every import of a file; the name is empty where it is a module."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    yield node.lineno, inner, ""
                elif node.module in MODULES:
                    yield node.lineno, node.module, alias.name


def _given(room: str) -> dict[str, str]:
    """What the face of a room gives: name -> module, from its stub (`shards` itself: the public names)."""
    folder = "shards" if room == "shards" else f"shards/{room}"
    stub = ast.parse((ROOT / folder / "__init__.pyi").read_text(encoding="utf-8"))
    package = folder.replace("/", ".")
    return {
        alias.name: f"{package}.{node.module}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _defined(module: str) -> set[str]:
    """Names that a module defines at its top level."""
    names: set[str] = set()
    for node in _tree(MODULES[module]).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_every_file_of_shards_is_in_a_room() -> None:
    outside = [file for file in SOURCES if file.startswith("shards/") and file.split("/")[1] not in LEVEL_OF]
    assert outside == ["shards/__init__.py", "shards/__main__.py"]


def test_rooms_import_only_from_rooms_below() -> None:
    wrong = []
    for file in SOURCES:
        room = file.split("/")[1]
        if not file.startswith("shards/") or room not in LEVEL_OF:
            continue
        for line, module, _ in _modules_imported(file):
            other = module.split(".")[1] if "." in module else "shards"
            if other != room and LEVEL_OF.get(other, len(LEVELS)) >= LEVEL_OF[room]:
                wrong.append(f"{file}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_no_circle_of_imports() -> None:
    """Imports inside functions and those for types only count as well."""
    arrows = {module: {other for _, other, _ in _modules_imported(file)} for module, file in MODULES.items()}
    while outer := {
        module
        for module in arrows
        if not arrows[module] & arrows.keys() or not any(module in others for others in arrows.values())
    }:
        arrows = {module: others - outer for module, others in arrows.items() if module not in outer}
    circle = [f"{module} -> {', '.join(sorted(others & arrows.keys()))}" for module, others in sorted(arrows.items())]
    assert not circle, "\n".join(["these import each other:", *circle])


def test_mcg_and_tools_import_only_what_a_room_gives() -> None:
    faces = {"shards": _given("shards"), **{f"shards.{room}": _given(room) for room in LEVEL_OF}}
    wrong = [
        f"{file}:{node.lineno} imports {alias.name} from {node.module}"
        for file in [*_python_files("mcg", "tools"), "train.py"]
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "shards"
        for alias in node.names
        if alias.name not in faces.get(node.module or "", {})
    ]
    wrong += [
        f"{file}:{node.lineno} imports {alias.name}"
        for file in [*_python_files("mcg", "tools"), "train.py"]
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.startswith("shards.")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["shards", *LEVEL_OF])
def test_a_room_gives_what_its_modules_define(room: str) -> None:
    given = _given(room)
    wrong = [f"{name}: not defined in {module}" for name, module in given.items() if name not in _defined(module)]
    folder = ROOT / ("shards" if room == "shards" else f"shards/{room}")
    inside = {path.stem for path in folder.iterdir()}
    wrong += [f"{name}: also the name of a module, which would hide it" for name in given if name in inside]
    assert not wrong, "\n".join(wrong)


def test_files_and_folders_stay_small() -> None:
    files = [*SOURCES, *_python_files("benchmarks"), "train.py"]
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files}
    long = [f"{file}: {count} lines" for file, count in lines.items() if count > MOST_LINES]
    assert not long, f"over {MOST_LINES} lines: split by concept\n" + "\n".join(long)
    median = sorted(lines[file] for file in SOURCES)[len(SOURCES) // 2]
    assert median <= 120, f"the median file of {PACKAGES} has {median} lines"
    folders = Counter(str(Path(file).parent) for file in SOURCES if Path(file).stem not in {"__init__", "__main__"})
    crowded = [f"{folder}: {count} files" for folder, count in folders.items() if count > MOST_FILES]
    assert not crowded, f"flat folders of more than {MOST_FILES} files: " + ", ".join(crowded)


def test_a_definition_that_only_its_own_file_uses_is_private() -> None:
    """Tests count as users; errors need none, for whoever catches them is not here."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "shards").glob("*.md")]
    pages += (ROOT / "shards").rglob("*.pyi")
    files = [*map(ROOT.joinpath, ALL_FILES), *pages]
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in files}
    wrong = [
        f"{file}: {node.name}"
        for file in SOURCES
        for node in _tree(file).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if not (isinstance(node, ast.ClassDef) and any(_last_name(base).endswith("Error") for base in node.bases))
        if not any(node.name in found for path, found in words.items() if path != ROOT / file)
    ]
    assert not wrong, "give these an underscore, or a user:\n" + "\n".join(wrong)


def test_what_systems_share_names_none_of_them() -> None:
    """A system is its assembly in mcg/model and its families in mcg/convert/families; all else asks the model."""
    assembly = re.compile(rf"mcg\.model\.({'|'.join(map(re.escape, MODELS))})(_\w+)?")
    shared = [f for f in _python_files("mcg") if not f.startswith(("mcg/model/", "mcg/convert/families/"))]
    wrong = [
        f"{file}:{line} imports {module}"
        for file in [*shared, "train.py"]
        for line, module, _ in _modules_imported(file)
        if assembly.fullmatch(module)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_engine_knows_neither_models_nor_tasks() -> None:
    unknown = ("mcg.model", "mcg.objectives", "mcg.tasks", "mcg.scoring", "mcg.convert")
    wrong = [
        f"{file}:{line} imports {module}"
        for file in _python_files("mcg/engine")
        for line, module, _ in _modules_imported(file)
        if module.startswith(unknown)
    ]
    assert not wrong, "\n".join(wrong)
