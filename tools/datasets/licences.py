"""Under which terms the published datasets may be used: notes for their users, kept in dataset.json as "licence".

A note has what the publisher states of annotations and media, with its address; it is no legal advice, and NOT_STATED
where nothing is known for sure. Videos of YouTube, Flickr, Tumblr and films have owners of their own.
"""

from __future__ import annotations

NOT_STATED = "not stated by the publisher; ask before use beyond research"

_ACTIVITYNET = "media: videos of YouTube, not stated (http://activity-net.org)"
_MSRVTT = "media: videos of MSR-VTT, not stated"
_MSVD = "media: videos of MSVD (YouTube), not stated"
_LSMDC = (
    "media: films of LSMDC, for research only, after signing an agreement "
    "(https://sites.google.com/site/describingmovies/download)"
)
_NEXT = "MIT (repository); media: videos of VidOR (YFCC100M), each under the licence of its owner"

LICENCES = {
    "activitynet_captions": f"annotations: not stated; {_ACTIVITYNET}",
    "activitynet_qa": f"annotations: Apache-2.0 (https://github.com/MILVLG/activitynet-qa); {_ACTIVITYNET}",
    "cc3m": (
        "annotations: free for any purpose, naming Google LLC as the source is appreciated "
        "(https://github.com/google-research-datasets/conceptual-captions/blob/master/LICENSE); media: pictures of the "
        "web, each under the terms of its owner"
    ),
    "cc12m": (
        "annotations: free for any purpose, naming Google LLC as the source is appreciated "
        "(https://github.com/google-research-datasets/conceptual-12m); media: pictures of the web, each under the "
        "terms of its owner"
    ),
    "coin": "annotations: LICENSE in https://github.com/coin-dataset/annotations; media: videos of YouTube, not stated",
    "didemo": (
        "annotations: not stated (https://github.com/LisaAnne/LocalizingMoments); media: videos of Flickr (YFCC100M), "
        "each under the licence of its owner"
    ),
    "howto100m": (
        "annotations: not stated (https://github.com/antoine77340/howto100m); media: videos of YouTube, not stated"
    ),
    "lsmdc": f"annotations: under the agreement of the media; {_LSMDC}",
    "lsmdc_fib": f"annotations: not stated; {_LSMDC}",
    "lsmdc_mc": f"annotations: not stated; {_LSMDC}",
    "msrvtt": f"annotations: not stated; {_MSRVTT}",
    "msrvtt_mc": f"annotations: not stated; {_MSRVTT}",
    "msrvtt_qa": f"annotations: not stated; {_MSRVTT}",
    "msvd": f"annotations: not stated; {_MSVD}",
    "msvd_qa": f"annotations: not stated; {_MSVD}",
    "nextqa": f"annotations: {_NEXT} (https://github.com/doc-doc/NExT-QA)",
    "nextqa_oe": f"annotations: {_NEXT} (https://github.com/doc-doc/NExT-OE)",
    "shapes": "made by this program: no rights of others",
    "tgif_qa": (
        "annotations: not stated (https://github.com/YunseokJANG/tgif-qa); media: GIFs of Tumblr by the list of TGIF "
        "(https://github.com/raingo/TGIF-Release, BSD for its files), each of its owner"
    ),
    "webvid": (
        "annotations and media: limited to non-commercial research "
        "(https://github.com/m-bain/webvid/blob/main/TERMS.md); withdrawn by its authors; media: of Shutterstock"
    ),
}


def licence_of(dataset: str) -> str:
    """The note of a dataset by its name in DATASETS."""
    return LICENCES.get(dataset, NOT_STATED)
