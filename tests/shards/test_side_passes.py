"""Side tables through the config of a dataset: what a pass holds, what a cursor refuses, and what errors say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import CursorMismatch, SideTableError
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import encode, seen, sequence, write_dataset
from tests.shards.small_side import NUM, RECORDS, loader_of, one, samples_of, side_of, write_side, write_toy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


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


@settings(max_examples=10, deadline=None)
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
        with pytest.raises(ValueError, match=r"leaves none of 23 samples|has no elements"):
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


# ---- with growth, other numbers of ranks, remote places


def test_a_run_goes_on_over_grown_data_with_the_old_table_or_one_of_all_samples(tmp_path: Path) -> None:
    data = {num: write_dataset(tmp_path / str(num), "toy", num, RECORDS, per_shard=5) for num in (20, 30)}
    files = {
        num: write_side(
            tmp_path / f"{num}.parquet",
            samples_of(folder),
            side_of(folder),
            caption=[None if i % 4 == 0 else f"new-{i}" for i in range(num)],
            n=[i % 3 for i in range(num)],
        )
        for num, folder in data.items()
    }

    def config_of(num: int, table: int) -> DatasetConfig:
        return one(data[num], side=(str(files[table]),), texts=f"{files[table]}:caption", repeat="n")

    with loader_of(config_of(20, 20)) as loader:
        sequence([loader], 1)
        state = json.loads(json.dumps(loader.state_dict()))
        after = sequence([loader], 1)
    for table in (20, 30):
        with loader_of(config_of(30, table), on_growth="append") as loader:
            loader.load_state_dict(state)
            assert sequence([loader], 1) == after
    with loader_of(config_of(30, 20)) as loader:  # what is not known counts once, and keeps its texts
        assert loader.num_elements == sum((i % 3) * (1 if i % 4 else RECORDS[i % 3]) for i in range(20)) + sum(
            RECORDS[i % 3] for i in range(20, 30)
        )


def test_ranks_share_a_pass_and_a_run_goes_on_with_another_number_of_them(toy: Path, side: Path) -> None:
    dataset = one(toy, side=(str(side),), where="motion > 0.4", texts=f"{side}:captions", repeat="copies")
    settings = LoaderConfig(blend=(dataset,), batch_size=8, streams=4, window=6)

    def run(world: int, state: Any, num_batches: int) -> tuple[list[Any], Any]:
        loaders = [Loader(settings, rank, world, encode) for rank in range(world)]
        for loader in loaders:
            if state is not None:
                loader.load_state_dict(state)
        got = sequence(loaders, num_batches)
        saved = loaders[0].state_dict()
        for loader in loaders:
            loader.close()
        return got, saved

    whole, _ = run(1, None, 8)
    first, state = run(2, None, 3)
    assert first + run(4, state, 5)[0] == whole


def test_tables_and_shards_may_lie_on_a_store_behind_a_cache(toy: Path, side: Path, tmp_path: Path) -> None:
    with HttpStore().running() as store:
        store.hold(toy, "/toy")
        store.files["/side.parquet"] = side.read_bytes()
        url = f"{store.url}/side.parquet"
        fields = {"where": "motion > 0.4", "repeat": "copies"}
        there = DatasetConfig(name="toy", path=f"{store.url}/toy", side=(url,), texts=f"{url}:caption", **fields)
        here = one(toy, side=(str(side),), texts=f"{side}:caption", **fields)
        cached = {"cache": {"folder": str(tmp_path / "copies"), "limit": "1GB"}}
        with loader_of(there, **cached) as far, loader_of(here) as near:
            assert sequence([far], 9) == sequence([near], 9)
            assert far.state_dict() == near.state_dict()
        store.files["/side.parquet"] = b""
        with pytest.raises(SideTableError, match=r"side table http://.*/side.parquet: is no parquet file"):
            loader_of(there)


def test_a_sample_that_fails_is_left_out_whatever_its_copies(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "toy", "toy", 10, (1,), broken=(3,))
    side = write_side(tmp_path / "a.parquet", samples_of(folder), side_of(folder), n=[3] * 10, c=["x"] * 10)
    with loader_of(one(folder, side=(str(side),), repeat="n", texts=f"{side}:c"), batch_size=30) as loader:
        batch = next(loader)
        assert len(batch.failures) >= 3 and {f.origin.key for f in batch.failures} == {"0003"}
        assert {meta["number"] for meta in batch.meta} == set(range(10)) - {3}
