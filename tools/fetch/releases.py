"""The files of each dataset's release: those that can be fetched, and what has to be got by hand and where it goes.

Addresses and checksums are those of the releases' own pages; where a release gives no checksum, none is here. A file
without an address moves from host to host, or is behind a form: it is named with the place where it is to be got, and
checked when it is there. Promises: nothing here takes a form's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tools.fetch.download import Wanted
from tools.fetch.stored import STORED


class _File(NamedTuple):
    """A file of a release."""

    name: str
    url: str = ""
    """Empty: to be got by hand, or from a mirror that the user names."""
    digest: str = ""
    num_bytes: int | None = None


class _Release(NamedTuple):
    """What a dataset consists of."""

    files: tuple[_File, ...] = ()
    by_hand: tuple[str, ...] = ()
    """What cannot be fetched: what to get, where, and where to put it; a line each."""


_YOUTUBE = "videos: on YouTube, by the ids of the annotation file, as far as their owners and YouTube's terms allow it"
_GIFS = "GIFs: `python -m tools fetch tgif --annotations tgif-v1.0.tsv --out OUT/gifs`, as far as their links live"
_RELEASES: dict[str, _Release] = {
    "activitynet_captions": _Release(
        (_File("captions.zip", "https://cs.stanford.edu/people/ranjaykrishna/densevid/captions.zip"),),
        (f"{_YOUTUBE}; missing ones by the request form of activity-net.org (Download); put them into OUT/videos",),
    ),
    "activitynet_qa": _Release(
        by_hand=("videos: those of ActivityNet, by the request form of activity-net.org; put them into OUT/videos",)
    ),
    "cc12m": _Release(
        (_File("cc12m.tsv", "https://storage.googleapis.com/conceptual_12m/cc12m.tsv"),),
        ("pictures: `python -m tools fetch cc12m --annotations OUT/cc12m.tsv --out OUT/images`",),
    ),
    "cc3m": _Release(
        by_hand=(
            "Train_GCC-training.tsv and Validation_GCC-1.1.0-Validation.tsv: from "
            "ai.google.com/research/ConceptualCaptions/download (a Google login); put them into OUT",
            "pictures: `python -m tools fetch cc3m --annotations OUT/Train_GCC-training.tsv --out OUT/train`",
        )
    ),
    "coin": _Release(
        (
            _File(
                "COIN.json",
                "https://raw.githubusercontent.com/coin-dataset/annotations/"
                "67e31260e9c25951e27cda8d4336a23eacf62a80/COIN.json",
            ),
        ),
        (f"{_YOUTUBE}; put them into OUT/videos",),
    ),
    "crosstask": _Release(
        (_File("crosstask_release.zip", "https://www.di.ens.fr/~dzhukov/crosstask/crosstask_release.zip"),),
        (f"{_YOUTUBE} (videos.csv); put them into OUT/videos",),
    ),
    "didemo": _Release(
        by_hand=(
            "videos: of Flickr; the authors' page (github.com/LisaAnne/LocalizingMoments) links to what may be "
            "shared of them; put them into OUT/videos",
        )
    ),
    "howto100m": _Release(
        by_hand=(
            "captions and features: from www.di.ens.fr/willow/research/howto100m (a form gives user and password); "
            "put them into OUT",
        )
    ),
    "lsmdc": _Release(
        by_hand=(
            "annotations and clips: sign the agreement at sites.google.com/site/describingmovies (Download), which "
            "gives user and password; put the .csv files into OUT and the folders of clips into OUT/videos",
        )
    ),
    "msrvtt": _Release(
        (
            _File("train_val_videos.zip", digest="md5:51f2394d279cf84f1642defd9a651e6f"),
            _File("test_videos.zip", digest="md5:0af68454cec9d586e92805739f3911d0"),
        ),
        (
            "train_val_videos.zip, test_videos.zip: by the links of the challenge's page (ms-multimedia-challenge.com/"
            "2017/dataset), which move; put them into OUT, and run this again to check their md5; or --from MIRROR",
        ),
    ),
    "msrvtt_qa": _Release(by_hand=("videos: those of msrvtt (`python -m tools fetch msrvtt`)",)),
    "msvd": _Release(
        (
            _File(
                "YouTubeClips.tar",
                "https://www.cs.utexas.edu/users/ml/clamp/videoDescription/YouTubeClips.tar",
                "md5:9bdb20fcf14d59524a6febca9f6a8d89",
            ),
        )
    ),
    "msvd_qa": _Release(by_hand=("videos: those of msvd (`python -m tools fetch msvd`)",)),
    "nextqa": _Release(
        by_hand=("videos: by the link of github.com/doc-doc/NExT-QA (videos of VidOR); put them into OUT/videos",)
    ),
    "nextqa_oe": _Release(by_hand=("videos: those of nextqa (`python -m tools fetch nextqa`)",)),
    "tgif": _Release(
        (
            _File(
                "tgif-v1.0.tsv",
                "https://raw.githubusercontent.com/raingo/TGIF-Release/"
                "3e54d2f71418d8a2e9f5f61aa5be0edb9c0ac2b8/data/tgif-v1.0.tsv",
            ),
        ),
        (_GIFS,),
    ),
    "tgif_qa": _Release(by_hand=(_GIFS,)),
    "webvid": _Release(
        by_hand=(
            "results_2M_train.csv, results_2M_val.csv, results_10M_train.csv: withdrawn by their authors in 2024; if "
            "you have them, put them into OUT",
            "videos: `python -m tools fetch webvid --annotations OUT/results_2M_train.csv --out OUT/videos`",
        )
    ),
    "youcook2": _Release(
        by_hand=(
            f"{_YOUTUBE}; the authors' page (youcook2.eecs.umich.edu/download) has features and a form for missing "
            "ones; put them into OUT/videos",
        )
    ),
}
RELEASES = tuple(sorted(_RELEASES))
"""The datasets whose files are known."""


def files_of(name: str, out: Path, mirror: str = "") -> tuple[list[Wanted], list[Wanted]]:
    """The files of a release that can be fetched into `out`, and those (with an empty address) that cannot.

    mirror: the address of a folder that has all of them under their names.
    """
    known = [_File(one.name, one.url, f"sha256:{one.sha256}", one.num_bytes) for one in STORED.get(name, ())]
    able: list[Wanted] = []
    unable: list[Wanted] = []
    for file in (*known, *_RELEASES[name].files):
        url = f"{mirror.rstrip('/')}/{quote(file.name)}" if mirror else file.url
        wanted = Wanted(url, out / file.name, num_bytes=file.num_bytes, digest=file.digest)
        (able if url else unable).append(wanted)
    return able, unable


def by_hand(name: str, out: Path) -> Sequence[str]:
    """What is to be got by hand, with the folder in it."""
    return [line.replace("OUT", str(out)) for line in _RELEASES[name].by_hand]
