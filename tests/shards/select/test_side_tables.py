"""Side tables through the config of a dataset: what a pass holds, what a cursor refuses, and what errors say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import ConfigError, CursorMismatch, SideTableError, WhereError
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import open_feed
from shards.loader.loader import Loader
from tests.shards.small_dataset import encode, seen, sequence, write_dataset
from tests.shards.small_side import open_index, samples_of, side_of, write_side

NUM = 23
RECORDS = (2, 1, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample i of 23, five in a shard, is gray i and has RECORDS[i % 3] captions toy-i-r."""
    return write_dataset(tmp_path_factory.mktemp("toy"), "toy", NUM, RECORDS)


@pytest.fixture
def side(toy: Path, tmp_path: Path) -> Path:
    """motion is i / 10, flag is true for even i, unknown for i % 5 == 4; text and copies for some samples."""
    return write_side(
        tmp_path / "side.parquet",
        samples_of(toy),
        side_of(toy),
        motion=pa.array([i / 10 for i in range(NUM)], pa.float32()),
        flag=[None if i % 5 == 4 else i % 2 == 0 for i in range(NUM)],
        label=[None if i % 7 == 0 else f"l{i % 3}" for i in range(NUM)],
        caption=[None if i % 4 == 0 else f"new-{i}" for i in range(NUM)],
        captions=[[f"new-{i}-{r}" for r in range(i % 3)] for i in range(NUM)],
        copies=[None if i == 0 else i % 3 for i in range(NUM)],
    )


def one(toy: Path, **fields: Any) -> DatasetConfig:
    return DatasetConfig(name="toy", path=str(toy), **fields)


def loader_of(dataset: DatasetConfig, **fields: Any) -> Loader:
    given: dict[str, Any] = {"batch_size": 8, "streams": 4, "window": 6} | fields
    return Loader(LoaderConfig(blend=(dataset,), **given), 0, 1, encode)


def captions(dataset: DatasetConfig) -> list[str]:
    """The captions of one evaluation."""
    with loader_of(dataset, mode="eval") as loader:
        return [caption for batch in loader for caption, _ in seen(batch)]


def numbers(dataset: DatasetConfig) -> list[int]:
    """The samples of one evaluation."""
    with loader_of(dataset, mode="eval") as loader:
        return [meta["number"] for batch in loader for meta, ok in zip(batch.meta, batch.valid, strict=True) if ok]


def own(i: int) -> list[str]:
    return [f"toy-{i}-{r}" for r in range(RECORDS[i % 3])]


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        ("motion > 0.7", lambda i: i > 7),
        ("motion >= 0.3 and num_records > 1", lambda i: i >= 3 and i % 3 != 1),
        ("flag", lambda i: i % 5 != 4 and i % 2 == 0),
        ("not flag", lambda i: i % 5 == 4 or i % 2 == 1),
        ("flag == 0", lambda i: i % 5 != 4 and i % 2 == 1),
        ("flag and motion < 1", lambda i: i % 5 != 4 and i % 2 == 0 and i < 10),
        ("label in ('l1', 'l2')", lambda i: i % 7 != 0 and i % 3 > 0),
        ("label != 'l1'", lambda i: i % 7 != 0 and i % 3 != 1),
        ("'2' in label or copies == 0", lambda i: (i % 7 != 0 and i % 3 == 2) or (i > 0 and i % 3 == 0)),
    ],
)
def test_where_takes_columns_of_side_tables(toy: Path, side: Path, where: str, rule: Any) -> None:
    config = one(toy, side=(str(side),), where=where, elements="sample")
    assert numbers(config) == [i for i in range(NUM) if rule(i)]


def test_texts_replace_the_records_and_a_sample_without_keeps_its_own(toy: Path, side: Path) -> None:
    expected = [caption for i in range(NUM) for caption in (own(i) if i % 4 == 0 else [f"new-{i}"])]
    assert captions(one(toy, texts=f"{side}:caption")) == expected
    dropped = [f"new-{i}" for i in range(NUM) if i % 4]
    assert captions(one(toy, texts=f"{side}:caption", missing_texts="drop")) == dropped
    lists = [caption for i in range(NUM) for caption in ([f"new-{i}-{r}" for r in range(i % 3)] or own(i))]
    assert captions(one(toy, texts=f"{side}:captions")) == lists
    drawn = captions(one(toy, texts=f"{side}:captions", elements="sample"))
    assert [c in ([f"new-{i}-{r}" for r in range(i % 3)] or own(i)) for i, c in enumerate(drawn)] == [True] * NUM


def test_repeats_by_a_column_are_copies_that_draw_apart(toy: Path, side: Path) -> None:
    config = one(toy, side=(str(side),), repeat="copies")
    with loader_of(config) as loader:
        num = loader.num_elements
        found = Counter(caption for batch in sequence([loader], -(-num // 8)) for caption, _ in batch)
        assert num == sum((i % 3 if i else 1) * RECORDS[i % 3] for i in range(NUM))
    with loader_of(config, batch_size=num) as loader:
        pairs = seen(next(loader))
    found = Counter(caption for caption, _ in pairs)
    assert found == {c: i % 3 if i else 1 for i in range(NUM) for c in own(i) if i % 3 or not i}
    assert len(set(pairs)) == num  # every copy is drawn anew
    with loader_of(one(toy), batch_size=8) as plain:
        once = {pair for batch in sequence([plain], 6) for pair in batch}
    assert {pair for pair in pairs if found[pair[0]] == 1} <= once  # as without the table


def test_a_table_that_changes_nothing_leaves_the_order_as_it_is(toy: Path, side: Path, tmp_path: Path) -> None:
    config = one(toy, side=(str(side),), where="motion >= 0")
    with loader_of(config) as loader, loader_of(one(toy)) as plain:
        assert sequence([loader], 9) == sequence([plain], 9)
        assert loader.state_dict()["positions"] == plain.state_dict()["positions"]
    with loader_of(one(toy, side=(str(side),))) as unused, loader_of(one(toy)) as plain:
        assert unused.state_dict() == plain.state_dict()  # nothing of it is used
    other = write_dataset(tmp_path / "other", "other", 9)
    blends = [
        (one(toy, **fields), DatasetConfig(name="other", path=str(other)))
        for fields in ({}, {"side": (str(side),), "where": "motion > 1"})
    ]
    orders = []
    for blend in blends:
        with Loader(LoaderConfig(blend=blend, batch_size=4, streams=4, window=6), 0, 1, encode) as loader:
            orders.append([pair for batch in sequence([loader], 16) for pair in batch if pair[0].startswith("other")])
    assert orders[0] == orders[1]


def test_a_cursor_of_another_table_is_refused_and_of_an_equal_one_taken(toy: Path, side: Path, tmp_path: Path) -> None:
    def write(name: str, least: float, rows: int = 7, **more: Any) -> Path:
        values = pa.array([least] + [i / 10 for i in range(1, NUM)], pa.float32())
        caption = [f"new-{i}" for i in range(NUM)]
        return write_side(
            tmp_path / name, samples_of(toy), side_of(toy), rows, motion=values, caption=caption, n=[1] * NUM, **more
        )

    for fields in ({"where": "motion > 0.5"}, {"texts": "caption"}, {"repeat": "n", "where": "motion > 0.5"}):

        def config(file: Path, fields: dict[str, str] = fields) -> DatasetConfig:
            given = fields | ({"texts": f"{file}:caption"} if "texts" in fields else {})
            return one(toy, side=(str(file),), **given)

        first = write("a.parquet", 0)
        with loader_of(config(first)) as loader:
            next(loader)
            state = json.loads(json.dumps(loader.state_dict()))
            after = sequence([loader], 3)
        equal = write("b.parquet", 0, rows=100, another=["x"] * NUM)  # packed otherwise, and with one column more
        with loader_of(config(equal)) as loader:
            loader.load_state_dict(state)
            assert sequence([loader], 3) == after
        other = (
            write("c.parquet", 0.1)
            if "where" in fields
            else write_side(
                tmp_path / "c.parquet", samples_of(toy), None, caption=["New-0"] + [f"new-{i}" for i in range(1, NUM)]
            )
        )  # the same samples are selected, by another value
        with loader_of(config(other)) as loader, pytest.raises(CursorMismatch, match="side tables"):
            loader.load_state_dict(state)
        with loader_of(one(toy)) as loader, pytest.raises(CursorMismatch, match="what follows"):
            loader.load_state_dict(state)


# ---- random tables against an oracle


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A random table: rows of some samples in some order, with motion, copies and texts that may be missing."""
    there = draw(st.lists(st.integers(0, NUM - 1), min_size=1, unique=True))
    text = st.one_of(st.none(), st.lists(st.sampled_from(["", " ", "x", "yy", "z\n", None]), max_size=3))
    return {
        "samples": there if draw(st.booleans()) else sorted(there),
        "by_key": draw(st.booleans()),
        "rows": draw(st.integers(1, 9)),
        "motion": [draw(st.one_of(st.none(), st.floats(-1, 1, width=32))) for _ in there],
        "copies": [draw(st.one_of(st.none(), st.integers(0, 3))) for _ in there],
        "texts": [draw(text) for _ in there],
    }


def oracle(table: dict[str, Any], fields: dict[str, Any]) -> Counter[tuple[int, str]]:
    """What one pass holds of every (sample, caption)."""
    rows = {i: row for row, i in enumerate(table["samples"])}
    found: Counter[tuple[int, str]] = Counter()
    for i in range(NUM):
        row = rows.get(i)
        motion, copies, texts = (None if row is None else table[name][row] for name in ("motion", "copies", "texts"))
        if "where" in fields and (motion is None or not motion > fields["least"]):
            continue
        if i in fields["excluded"]:
            continue
        records = own(i)
        if "texts" in fields:
            new = [text for text in texts or [] if text and text.strip()]
            records = new or ([] if fields["missing_texts"] == "drop" else records)
        times = 1 if "repeat" not in fields or copies is None else copies
        for caption in records:
            found[i, caption] += times
    return +found


@settings(max_examples=15, deadline=None)
@given(tables(), st.data())
def test_a_pass_is_the_oracles_and_a_resume_goes_on_anywhere(
    toy: Path, tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("random")
    every = samples_of(toy)
    file = write_side(
        folder / "t.parquet", [every[i] for i in table["samples"]], None, table["rows"], table["by_key"],
        motion=pa.array(table["motion"], pa.float32()), copies=pa.array(table["copies"], pa.int64()),
        texts=pa.array(table["texts"], pa.list_(pa.string())),
    )  # fmt: skip
    fields: dict[str, Any] = {"least": data.draw(st.sampled_from([-1.0, 0.0, 0.5])), "missing_texts": "keep"}
    out = data.draw(st.sets(st.integers(0, NUM - 1), max_size=4))
    (folder / "out.jsonl").write_text("".join(json.dumps({"key": every[i][1]}) + "\n" for i in out))
    fields["excluded"] = out
    if data.draw(st.booleans(), "where"):
        fields["where"] = f"motion > {fields['least']}"
    if data.draw(st.booleans(), "repeat"):
        fields["repeat"] = "copies"
    if data.draw(st.booleans(), "texts"):
        fields |= {"texts": f"{file}:texts", "missing_texts": data.draw(st.sampled_from(["keep", "drop"]))}
    expected = oracle(table, fields)
    given_fields = {name: fields[name] for name in ("where", "repeat", "texts", "missing_texts") if name in fields}
    dataset = one(toy, side=(str(file),), exclude=(str(folder / "out.jsonl"),), **given_fields)
    if not expected:
        with pytest.raises(ValueError, match="leaves none of 23 samples|has no elements"):
            loader_of(dataset)
        return
    total = expected.total()
    batch = data.draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0 and total // n <= 12]), "batch")
    with loader_of(dataset, batch_size=batch, prefetch_batches=0) as loader:
        assert loader.num_elements == total
        batches, states = [], []
        for _ in range(total // batch + 1):
            states.append(loader.state_dict())
            batches.append([(m["number"], m["caption"], m["drawn"]) for m in next(loader).meta])
    first = [element for some in batches[:-1] for element in some]
    assert Counter((number, caption) for number, caption, _ in first) == expected
    at = data.draw(st.integers(0, len(states) - 1), "resume")
    with loader_of(dataset, batch_size=batch, prefetch_batches=0) as loader:
        loader.load_state_dict(states[at])
        assert [[(m["number"], m["caption"], m["drawn"]) for m in next(loader).meta] for _ in batches[at:]] == batches[
            at:
        ]
