"""The datasets that `python -m tools build NAME` knows: a file per dataset in a room here, and a line below.

The rooms are pretraining, questions, retrieval (captions), procedures (steps) and containers (what other tools keep
datasets in); `shapes`, which renders its clips, stands beside them.

`rows(...)` of a dataset module yields Row and BadRow (tools/rows.py). Its parameters are the options of the dataset's
command, with types, help and checks (tools/arguments.py has those of several datasets); those without default are
required. Its docstring is the command's help, the first line also that in the list of datasets.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from tools.datasets import shapes
from tools.datasets.containers import (
    energon,
    hf_datasets,
    lavender_tsv,
    litdata,
    mds,
    parquet,
    t2vlp_tfrecord,
    webdataset,
)
from tools.datasets.pretraining import cc3m, cc12m, howto100m, webvid
from tools.datasets.procedures import coin, crosstask
from tools.datasets.questions import (
    activitynet_qa,
    lsmdc_fib,
    lsmdc_mc,
    msrvtt_mc,
    msrvtt_qa,
    msvd_qa,
    nextqa,
    nextqa_oe,
    tgif_qa,
)
from tools.datasets.retrieval import activitynet_captions, didemo, lsmdc, msrvtt, msvd, youcook2
from tools.rows import BadRow, OptionError, Row

DATASETS: dict[str, Callable[..., Iterator[Row | BadRow]]] = {
    "activitynet_captions": activitynet_captions.rows,
    "activitynet_qa": activitynet_qa.rows,
    "cc12m": cc12m.rows,
    "cc3m": cc3m.rows,
    "coin": coin.rows,
    "crosstask": crosstask.rows,
    "didemo": didemo.rows,
    "energon": energon.rows,
    "hf_datasets": hf_datasets.rows,
    "lavender_tsv": lavender_tsv.rows,
    "litdata": litdata.rows,
    "howto100m": howto100m.rows,
    "lsmdc": lsmdc.rows,
    "lsmdc_fib": lsmdc_fib.rows,
    "lsmdc_mc": lsmdc_mc.rows,
    "mds": mds.rows,
    "msrvtt": msrvtt.rows,
    "msrvtt_mc": msrvtt_mc.rows,
    "msrvtt_qa": msrvtt_qa.rows,
    "msvd": msvd.rows,
    "msvd_qa": msvd_qa.rows,
    "nextqa": nextqa.rows,
    "nextqa_oe": nextqa_oe.rows,
    "parquet": parquet.rows,
    "shapes": shapes.rows,
    "t2vlp_tfrecord": t2vlp_tfrecord.rows,
    "tgif_qa": tgif_qa.rows,
    "webdataset": webdataset.rows,
    "webvid": webvid.rows,
    "youcook2": youcook2.rows,
}


def find_dataset(name: str) -> tuple[str, Callable[..., Iterator[Row | BadRow]]]:
    """The name as in DATASETS ("msrvtt-qa" is "msrvtt_qa") and its `rows` function. Raises OptionError."""
    plain = name.lower().replace("-", "_")
    if plain in DATASETS:
        return plain, DATASETS[plain]
    near = difflib.get_close_matches(plain, DATASETS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise OptionError(f"no dataset is called {name!r}; {hint}known: {', '.join(sorted(DATASETS))}")
