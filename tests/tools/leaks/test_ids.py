"""Which ids of videos mean the same."""

from __future__ import annotations

import pytest

from tools.leaks.ids import KnownIds, Spelling, VideoId, family_of, read_id
from tools.rows import OptionError

MAPPING = {"vid1": "-4wsuPCjDBc_5_15"}


@pytest.mark.parametrize(
    ("family", "first", "second"),
    [
        ("msrvtt", "7010", "video7010"),
        ("msrvtt", "msr7010", "videos/video7010.mp4"),
        ("msvd", "1", "-4wsuPCjDBc_5_15.avi"),
        ("msvd", "vid1", "-4wsuPCjDBc_5_15"),
        ("activitynet", "v_QOlSCBRmfWY", "QOlSCBRmfWY"),
        ("", "some_clip_7.mp4", "some_clip_7"),
        (
            "lsmdc",
            "0001_American_Beauty_00.00.51.926-00.00.54.129",
            "0001_American_Beauty_00.00.51.926-00.00.54.129.avi",
        ),
        ("tgif", "https://38.media.tumblr.com/9f/tumblr_ngj1xk1_500.gif", "tumblr_ngj1xk1_500"),
        ("didemo", "26292851@N04_4253489686_265c3c8051.m4v", "26292851@N04_4253489686_265c3c8051.mov"),
        ("didemo", "26292851@N04_4253489686_265c3c8051.", "26292851@N04_4253489686_265c3c8051"),
        ("coin", "https://www.youtube.com/watch?list=x&v=0mnuAqJCg5c", "0mnuAqJCg5c"),
    ],
)
def test_spellings_of_one_video_are_one(family: str, first: str, second: str) -> None:
    assert read_id(first, family, MAPPING).means(read_id(second, family, MAPPING))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("activitynet", "v_QOlSCBRmfWY"), ("youcook2", "QOlSCBRmfWY"), True),
        (("crosstask", "105222_0mnuAqJCg5c"), ("howto100m", "0mnuAqJCg5c"), True),
        (("msvd", "0mnuAqJCg5c_5_15"), ("howto100m", "0mnuAqJCg5c"), True),
        (("msvd", "0mnuAqJCg5c_5_15"), ("msvd", "0mnuAqJCg5c_20_30"), False),
        (("msvd", "0mnuAqJCg5c_5_15"), ("msvd", "0mnuAqJCg5c_10_30"), True),
        (("msrvtt", "7010"), ("msvd", "7010"), False),
        (("", "7010"), ("", "7010"), False),
        (("", "000000123"), ("msrvtt", "123"), False),
        (("", "video7010"), ("msrvtt", "7010"), True),
        (("nextqa", "4010069381"), ("nextqa", "4010069381"), True),
        (("webvid", "abcdefghijK"), ("howto100m", "abcdefghijK"), False),
        (("msvd", "vid1"), ("msvd", "vid2"), False),
    ],
)
def test_ids_of_two_sets(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    first, second = read_id(one[1], one[0]), read_id(other[1], other[0])
    assert first.means(second) == second.means(first) == same


def test_the_film_of_a_clip_counts_with_its_seconds() -> None:
    clip = read_id("video0", "msrvtt", film=("https://www.youtube.com/watch?v=9lZi22qLlEo", 137.72, 149.44))
    assert clip == VideoId("msrvtt", "video0", "9lZi22qLlEo", 137.72, 149.44)
    assert clip.means(read_id("9lZi22qLlEo_140_150", "msvd"))
    assert not clip.means(read_id("9lZi22qLlEo_5_15", "msvd"))


@pytest.mark.parametrize(
    ("hint", "family"),
    [
        ("msrvtt_qa", "msrvtt"),
        ("MSRVTT_JSFUSION_test.csv", "msrvtt"),
        ("val_list.txt", ""),
        ("activitynet_qa", "activitynet"),
    ],
)
def test_names_tell_the_set(hint: str, family: str) -> None:
    assert family_of("", hint) == family


def test_known_ids_find_the_first_that_means_the_same() -> None:
    known = KnownIds([(read_id("video1", "msrvtt"), 4), (read_id("0mnuAqJCg5c_5_15", "msvd"), 5)])
    assert known.same_as(read_id("1", "msrvtt")) == 4
    assert known.same_as(read_id("0mnuAqJCg5c", "coin")) == 5
    assert known.same_as(read_id("1", "nextqa")) is None


def test_numbers_and_names_of_a_set_are_refused_unless_a_map_joins_them() -> None:
    spelling = Spelling()
    for family in ("msvd", "nextqa", "msrvtt", ""):
        spelling.note({read_id("1", family, MAPPING), read_id("77", "nextqa")}, "a.json")
        spelling.note({read_id("some_name_1_2", family)}, "b.json")
    spelling.note({read_id("7", "msvd"), read_id("other_1_2", "msvd")}, "c.json")  # a sample with both
    with pytest.raises(OptionError, match=r"^msvd: d.json has the number 'vid9' and \w.json the name .*youtube_map"):
        spelling.note({read_id("9", "msvd")}, "d.json")
