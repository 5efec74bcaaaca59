"""What changed between two configs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcg.engine.record.changes import changes, describe

TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: (
        st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


def test_each_value_that_changed_is_told_by_its_path() -> None:
    before = {
        "optim": {"lr": 1e-3, "betas": (0.9, 0.98)},
        "data": {"train": {"batch_size": 8, "blend": [{"name": "a"}]}},
    }
    after = {
        "optim": {"lr": 5e-4, "betas": [0.9, 0.98]},
        "data": {"train": {"batch_size": 4, "blend": [{"name": "b"}]}},
    }
    found = changes(before, after)
    assert found == {
        "optim.lr": [1e-3, 5e-4],
        "data.train.batch_size": [8, 4],
        "data.train.blend[0].name": ["a", "b"],
    }
    assert describe(found).startswith("optim.lr 0.001 -> 0.0005, data.train.batch_size 8 -> 4")


def test_a_setting_that_is_new_in_this_version_is_no_change() -> None:
    assert changes({"a": {"b": 1}}, {"a": {"b": 1, "new": 5}, "other": 3}) == {}
    assert changes({"a": 1}, {"new": 3}) == {"a": [1, None]}


def test_a_section_or_a_dataset_that_was_not_there_is_told() -> None:
    assert changes({"data": {"val": None}}, {"data": {"val": {"batch_size": 8}}}) == {"data.val.batch_size": [None, 8]}
    assert changes({"blend": [{"name": "a"}]}, {"blend": [{"name": "a"}, {"name": "b"}]}) == {
        "blend[1].name": [None, "b"]
    }


def test_a_folder_that_was_moved_is_no_change() -> None:
    assert changes({"run_dir": "a"}, {"run_dir": "b"}) == {}


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), TREES, max_size=3))
def test_a_config_is_equal_to_itself(tree: dict[str, object]) -> None:
    assert changes(tree, tree) == {}
