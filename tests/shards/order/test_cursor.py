"""A cursor survives JSON, is small, and is refused by name where it does not belong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import CursorMismatch
from shards.order.cursor import Cursor, GivenUp, combine_fingerprints

CURSOR = Cursor(
    version=1,
    seed=7,
    fingerprint="00ff00ff00ff00ff",
    streams=16,
    window=(400, 80),
    datasets=("web", "cc"),
    weights=(3, 1),
    unit="step",
    q=12,
    positions=(288, 96),
    batch_size=32,
    world_size=8,
    decoder="cpu",
)


def test_a_cursor_survives_json() -> None:
    assert Cursor.from_dict(json.loads(json.dumps(CURSOR.to_dict()))) == CURSOR


@given(
    given_up=st.lists(
        st.builds(
            GivenUp,
            st.integers(0, 1),
            st.integers(0, 10**14),
            st.integers(0, 8),
            st.floats(0.001, 86_400).map(lambda seconds: round(seconds, 3)),
        )
    )
)
def test_what_was_given_up_survives_json_and_is_omitted_where_nothing_was(given_up: list[GivenUp]) -> None:
    cursor = replace(CURSOR, given_up=tuple(given_up))
    saved = cursor.to_dict()
    assert json.loads(json.dumps(saved)) == saved and ("given_up" in saved) == bool(given_up)
    read = Cursor.from_dict(saved)
    assert read == cursor and all(isinstance(one, GivenUp) for one in read.given_up)
    read.check(CURSOR)


@pytest.mark.parametrize(
    "entry", [5, "text", None, [1, 2, 3], [0, -1, 0, 30.0], [0, 1, 0, "30"], [0, 1.5, 0, 30.0], [True, 1, 0, 30.0], {}]
)
def test_what_is_no_attempt_that_was_given_up_is_refused(entry: Any) -> None:
    for given_up in ([entry], [[0, 1, 0, 30.0], entry]):
        with pytest.raises(CursorMismatch, match=r"given_up has .* is not \[dataset, position, attempt, seconds\]"):
            Cursor.from_dict(CURSOR.to_dict() | {"given_up": given_up})
    with pytest.raises(CursorMismatch, match=r"given_up has \[2, 1, 0, 30\.0\], and there are 2 datasets"):
        Cursor.from_dict(CURSOR.to_dict() | {"given_up": [[2, 1, 0, 30.0]]}).check(CURSOR)


@pytest.mark.parametrize("num_datasets", [1, 2, 30])
def test_a_cursor_is_at_most_260_bytes_and_120_per_dataset(num_datasets: int) -> None:
    large = Cursor(
        version=1,
        seed=2**32 - 1,
        fingerprint="f" * 16,
        streams=4096,
        window=(10**9,) * num_datasets,
        datasets=("n" * 32 + "/sample*100?0123abcd",) * num_datasets,
        weights=(10_000,) * num_datasets,
        unit="sample",
        q=10**14,
        positions=(10**14,) * num_datasets,
        batch_size=10**6,
        world_size=10_000,
        shards=(10**6,) * num_datasets,
        shifts=(-(10**14),) * num_datasets,
        decoder="dali-cuda",
    )
    assert size(large) <= 260 + 120 * num_datasets
    slow = tuple(GivenUp(9_999, 10**14 + number, 8, 86_399.999) for number in range(50))
    for count in (1, 2, 50):
        assert size(replace(large, given_up=slow[:count])) <= 260 + 120 * num_datasets + 60 * count


def size(cursor: Cursor) -> int:
    return len(json.dumps(cursor.to_dict(), separators=(",", ":")))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", 8, "cursor: seed differs: saved 7, this loader has 8; set seed back"),
        (
            "fingerprint",
            "1" * 16,
            "fingerprint differs: saved '00ff00ff00ff00ff', this loader has '1111111111111111'; the shards are not",
        ),
        ("streams", 8, "cursor: streams differs: saved 16, this loader has 8"),
        ("window", (400, 90), r"cursor: window differs: saved \[400, 80\], this loader has \[400, 90\]"),
        (
            "datasets",
            ("web", "cc*2"),
            r"cursor: datasets differs: saved \['web', 'cc'\], this loader has \['web', 'cc\*2'\]; set datasets back",
        ),
        (
            "datasets",
            ("web", "cc?12ab"),
            r"this loader has \['web', 'cc\?12ab'\]; what follows \? stands for what where",
        ),
        ("weights", (2, 1), r"cursor: weights differs: saved \[3, 1\], this loader has \[2, 1\]"),
        ("unit", "sample", "cursor: unit differs: saved 'step', this loader has 'sample'"),
        ("version", 2, "cursor: version differs: saved 1, this loader has 2; read it with the release that wrote it"),
    ],
)
def test_another_order_is_refused_by_the_name_of_the_field(field: str, value: Any, message: str) -> None:
    with pytest.raises(CursorMismatch, match=message):
        CURSOR.check(replace(CURSOR, **{field: value}))


def test_another_batch_size_world_size_decoder_or_place_is_accepted() -> None:
    CURSOR.check(replace(CURSOR, batch_size=64, world_size=2, decoder="dali-cuda", q=99, positions=(1, 1)))


def test_a_cursor_saved_before_it_knew_the_decoder_is_accepted() -> None:
    saved = CURSOR.to_dict()
    del saved["decoder"]
    assert Cursor.from_dict(saved) == replace(CURSOR, decoder="")


def test_a_saved_dict_of_another_version_or_shape_is_refused() -> None:
    with pytest.raises(CursorMismatch, match="version differs: saved 99, this loader has 1"):
        Cursor.from_dict(CURSOR.to_dict() | {"version": 99})
    with pytest.raises(CursorMismatch, match="version differs: saved None"):
        Cursor.from_dict({})
    saved = CURSOR.to_dict() | {"epoch": 3}
    del saved["q"]
    with pytest.raises(CursorMismatch, match=r"missing fields \['q'\], unknown fields \['epoch'\]"):
        Cursor.from_dict(saved)


def test_positions_must_match_the_datasets() -> None:
    with pytest.raises(CursorMismatch, match="1 positions for 2 datasets"):
        replace(CURSOR, positions=(5,)).check(CURSOR)


def test_fingerprints_combine_in_order() -> None:
    assert combine_fingerprints(["a", "b"]) != combine_fingerprints(["b", "a"])
    assert combine_fingerprints(["ab"]) != combine_fingerprints(["a", "b"])
    assert len(combine_fingerprints(["a"])) == 16


def test_a_place_between_turns_is_one_of_turns_of_any_length() -> None:
    assert replace(CURSOR, q=7).q_in_turns_of(3) == 21
    long = replace(CURSOR, q=6, batches_per_turn=2)
    assert [long.q_in_turns_of(count) for count in (1, 2, 3)] == [3, 6, 9]
    with pytest.raises(CursorMismatch, match="batches_per_turn differs: saved 2, this loader has 1, and batch 5 lies"):
        replace(long, q=5).q_in_turns_of(1)
