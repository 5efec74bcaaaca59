"""The layout of .beton files: it is ffcv's, and whatever a file claims ends in an error or in a checked file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import DatasetError, WrongPlace
from shards.read.beton import DESCRIPTOR, HEADER, JPG, RAW, Beton, fields, row_type
from tests.shards.small_beton import numbered, write_beton

HOSTILE = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 samples of 2 frames in shards of 3 and 2."""
    return write_beton(tmp_path_factory.mktemp("beton") / "toy.beton", numbered(5))


def test_what_was_written_is_read(path: Path) -> None:
    file = Beton(str(path))
    assert (file.num_samples, file.num_frames) == (5, 2)
    for row, sample in enumerate(numbered(5)):
        assert file.key(row) == sample.key and file.text_damage(row) is None
        for number in range(2):
            np.testing.assert_array_equal(file.frame(row, number), sample.frames[number])
            assert file.frame_damage(row, number) is None
    assert file.frame_bytes.tolist() == [2 * 6 * 8 * 3] * 5


def test_samples_with_fewer_frames_than_others_count_only_theirs(tmp_path: Path) -> None:
    samples = [*numbered(1), *numbered(1, num_frames=1, size=(9, 4))]
    file = Beton(str(write_beton(tmp_path / "x.beton", samples, num_frames=2, mode=JPG)))
    assert file.rows["num_frames"].tolist() == [2, 1]
    assert file.frame_bytes[1] == len(file.frame(1, 0)) > 100


@HOSTILE
@given(data=st.data())
def test_a_file_that_was_cut_off_is_refused(path: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = path.read_bytes()
    cut = tmp_path / "cut.beton"
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DatasetError, match=r"cut\.beton: .*(cut off|too few|export)"):
        Beton(str(cut))


@HOSTILE
@given(data=st.data(), mode=st.sampled_from([RAW, JPG]))
def test_bytes_that_were_changed_are_told_or_do_not_matter(tmp_path: Path, data: st.DataObject, mode: int) -> None:
    samples = numbered(4)
    path = write_beton(tmp_path / "toy.beton", samples, mode=mode)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    # most of a file is the empty space of the descriptions: the interesting places are drawn more often
    begin = HEADER.itemsize + len(fields(2)) * DESCRIPTOR.itemsize
    place = st.one_of(st.integers(0, HEADER.itemsize - 1), st.integers(begin, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(place)] = data.draw(st.integers(0, 255))
    path.unlink()  # an open map keeps the old file
    path.write_bytes(content.tobytes())
    try:
        file = Beton(str(path))
    except DatasetError as error:
        assert "toy.beton: " in str(error)
        return
    for row in range(file.num_samples):
        if file.text_damage(row) is None:
            assert file.key(row) == samples[row].key
        for number in range(int(file.rows["num_frames"][row])):
            frame = file.frame(row, number)
            if file.frame_damage(row, number) is None and mode == RAW and frame.shape == (6, 8, 3):
                np.testing.assert_array_equal(frame, samples[row].frames[number])


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("num_frames", 3, "num_frames cannot be 3"),
        ("num_frames", 0, "num_frames cannot be 0"),
        ("num_records", -1, "num_records cannot be -1"),
        ("shard", 7, "shard cannot be 7"),
        ("fps", np.nan, "fps cannot be nan"),
        ("duration", -1.0, r"duration cannot be -1\.0"),
        ("key", (0, 10), r"key cannot be \(0, 10\)"),
        ("text", (20000, 1 << 63), "text cannot be"),
        ("text", ((1 << 64) - 1, 2), "text cannot be"),
        ("frame_1", (RAW, 60000, 60000, 20000), "frame_1 cannot be"),
        ("frame_1", (RAW, 8, 6, 1 << 63), "frame_1 cannot be"),
        ("frame_0", (9, 8, 6, 20000), "frame_0 cannot be"),
    ],
)
def test_numbers_that_lead_nowhere_are_named(tmp_path: Path, field: str, value: object, reason: str) -> None:
    path = write_beton(tmp_path / "odd.beton", numbered(3))
    content = bytearray(path.read_bytes())
    begin = HEADER.itemsize + len(fields(2)) * DESCRIPTOR.itemsize
    rows = np.frombuffer(content, row_type(2), 3, begin)
    rows[field][1] = value
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"odd\.beton: row 1: {reason}.*; copy it again"):
        Beton(str(path))


@pytest.mark.parametrize("num_samples", [10**6, 1 << 40, (1 << 64) - 1])
def test_a_count_of_samples_that_does_not_fit_is_refused_before_anything_is_read(
    path: Path, tmp_path: Path, num_samples: int
) -> None:
    content = bytearray(path.read_bytes())
    np.frombuffer(content, HEADER, 1)["num_samples"] = num_samples
    (tmp_path / "huge.beton").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{num_samples} rows should end at byte"):
        Beton(str(tmp_path / "huge.beton"))


def test_files_of_others_are_refused_with_what_they_are(path: Path, tmp_path: Path) -> None:
    def refused(content: bytes) -> str:
        (tmp_path / "other.beton").write_bytes(content)
        with pytest.raises(DatasetError, match="not a file that python -m tools export-ffcv wrote") as caught:
            Beton(str(tmp_path / "other.beton"))
        return str(caught.value)

    assert "has 0 bytes" in refused(b"")
    assert "says version" in refused(b"\x89PNG" * 100)
    content = bytearray(path.read_bytes())
    described = np.frombuffer(content, DESCRIPTOR, len(fields(2)), HEADER.itemsize)
    described["name"][:2] = [b"image", b"\x1b[2J"]
    assert "its 13 fields are 'image', '\\x1b[2J', 'text_sum'" in refused(content)


def test_places_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongPlace, match="is a folder; source: ffcv reads one"):
        Beton(str(tmp_path))
    with pytest.raises(WrongPlace, match=r"nothing\.beton: no such file; make it with python -m tools export-ffcv"):
        Beton(str(tmp_path / "nothing.beton"))
