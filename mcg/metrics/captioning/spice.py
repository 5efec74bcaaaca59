"""SPICE, where the parser that it needs is there: Stanford CoreNLP 3.6.0 with its models, on no package registry.

pycocoevalcap carries SPICE itself and fetches the parser from a web site; here nothing is fetched. SPICE is made for
Java 8. It has not been run here, where neither the parser nor Java 8 could be had.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mcg.metrics.captioning.java import Java, JavaError, package_file
from shards.base import load_json, user_cache

PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
"""Files of the release stanford-corenlp-full-2015-12-09."""
JAVA = 8


def spice_folder() -> Path:
    """Where the parser is looked for unless a folder is named."""
    return user_cache("spice")


def why_no_spice(folder: Path, java: Java) -> str:
    """What SPICE lacks and what to do; "" where it can run."""
    missing = [name for name in PARSER if not (folder / name).is_file()]
    broken = [name for name in PARSER if name not in missing and not zipfile.is_zipfile(folder / name)]
    if missing or broken:
        lacks = [f"{name} is not there" for name in missing] + [f"{name} is cut or no jar" for name in broken]
        return (
            f"SPICE needs Stanford CoreNLP 3.6.0: {', '.join(lacks)}; put {' and '.join(PARSER)}, of "
            f"stanford-corenlp-full-2015-12-09, into {folder}"
        )
    if java.major != JAVA:
        return f"SPICE is made for Java {JAVA}, and {java.path} is {java.version}: set JAVA_HOME to a Java {JAVA}"
    return ""


def spice(
    references: Sequence[Sequence[str]], predictions: Sequence[str], folder: Path, java: Java, limit_s: float
) -> npt.NDArray[np.float64]:
    """The score of each tokenized prediction; 0 where SPICE gives none, as for two texts that say nothing of things.

    The program takes minutes, 8 GB of memory and all cores. Raises JavaError.
    """
    jar = package_file("spice", "spice-1.0.jar")
    path = os.pathsep.join([str(jar), *(str(folder / name) for name in PARSER), str(jar.parent / "lib" / "*")])
    asked = [
        {"image_id": number, "test": given, "refs": list(known)}
        for number, (known, given) in enumerate(zip(references, predictions, strict=True))
    ]
    with tempfile.TemporaryDirectory(prefix="spice-") as scratch:
        given, found = Path(scratch, "given.json"), Path(scratch, "found.json")
        given.write_text(json.dumps(asked))
        program = ("-Xmx8G", "-cp", path, "edu.anu.spice.SpiceScorer", str(given))
        java.run("SPICE", (*program, "-out", str(found), "-subset", "-silent"), b"", limit_s)
        try:
            rows: Any = load_json(found.read_bytes(), 1 << 30, 1 << 24)
            scores = {row["image_id"]: row["scores"]["All"]["f"] for row in rows}
            return np.array([_number(scores[number]) for number in range(len(asked))])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise JavaError(f"SPICE left no scores that can be read ({type(error).__name__}: {error})") from None


def _number(value: Any) -> float:
    return 0.0 if value is None or np.isnan(float(value)) else float(value)
