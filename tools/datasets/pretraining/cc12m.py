"""Conceptual 12M: one picture with one caption; the forms of CC3M, Google's file with its columns the other way round.

- cc12m.tsv: url<TAB>caption, no header, no quoting (google-research-datasets/conceptual-12m; a header line
  "url<TAB>caption", as img2dataset's recipe adds it, is skipped). 12,423,374 lines, says the release.
- a .json list of {"image": path, "caption": text or list of texts}, and VIOLET's txt_cc12m.json with --media
  img_cc12m_val.tsv, as tools/datasets/pretraining/cc3m.py reads them.

A picture is looked up as one of CC3M: by the path, the row number as img2dataset names files (00000/000000012.jpg), or
the end of the URL's path. Names of people are <PERSON> in the captions, as published. Keys are row numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tools.arguments import AnnotationsFile, Split
from tools.datasets.pretraining.cc3m import COLUMNS, picture_rows
from tools.rows import CountedRows


def rows(
    annotations: AnnotationsFile,
    media: Annotated[Path, typer.Option(help="Folder under which the pictures lie; of VIOLET's json the images .tsv.")],
    split: Split = None,
) -> CountedRows:
    """CC12M: pictures with captions.

    Give cc12m.tsv (url, tab, caption) or a .json list of {"image", "caption"} with the folder of the pictures; or
    VIOLET's .json with its images .tsv.
    """
    return picture_rows(annotations, media, split, COLUMNS[::-1])
