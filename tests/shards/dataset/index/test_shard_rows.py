"""The rows of a shard know what an index may leave out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow
from shards.media.facts import MediaFacts
from tests.shards.small_index import bare, sample, save, save_bare


def test_an_index_without_checksums_is_refused(tmp_path: Path) -> None:
    row = sample(0)
    bare = row._replace(members=tuple(member._replace(checksum=None) for member in row.members))  # type: ignore[arg-type]
    opened = Index.open(save(tmp_path, [[bare]]))
    with pytest.raises(DatasetError, match="holds no member checksums"):
        opened.rows(0)


def test_an_unverified_index_has_no_checksums_and_may_not_know_records(tmp_path: Path) -> None:
    opened = Index.open(save_bare(tmp_path, [bare(0), bare(1, 1)]))
    assert not opened.verified and opened.shards.num_elements.tolist() == [-1]
    assert opened.rows(0).num_records.tolist() == [-1, 1]
    assert {member.checksum for i in range(2) for member in opened.rows(0).members(i)} == {None}
    assert opened.shards.states == ["mtime_ns=1"] and opened.shards.num_quarantined is not None
    assert Index.open(save(tmp_path, [[sample(0)]])).shards.states is None


def test_the_members_that_are_read_are_chosen_among_all(tmp_path: Path) -> None:
    txt, other, mp4 = (MemberRow(ext, 1000 * i, 9, i) for i, ext in enumerate(("txt", "vtt", "mp4")))
    texts_only = sample(1)._replace(members=(txt, other))
    rows = Index.open(save(tmp_path, [[sample(0)._replace(members=(txt, other, mp4)), texts_only]])).rows(0)
    assert rows.chosen(0) == [mp4, None, txt] and rows.medium(0) == mp4
    assert rows.chosen(1) == [None, None, txt] and rows.medium(1) is None


def test_extents_of_many_samples_are_those_of_their_facts(tmp_path: Path) -> None:
    rows = [sample(number) for number in range(9)]
    rows[4] = rows[4]._replace(facts=MediaFacts("image", "png", 3, 2, 1))
    rows[6] = rows[6]._replace(facts=MediaFacts("", "", 0, 0, 0))
    opened = Index.open(save(tmp_path, [rows])).rows(0)
    asked = [6, 1, 1, 4, 8]
    pixels, num_frames = opened.extents(np.array(asked))
    assert pixels.tolist() == [rows[at].facts.width * rows[at].facts.height for at in asked]
    assert num_frames.tolist() == [rows[at].facts.num_frames for at in asked]
    assert opened.may_hold_videos
    pictures = Index.open(save(tmp_path / "pictures", [[rows[4], rows[6]]])).rows(0)
    assert not pictures.may_hold_videos
