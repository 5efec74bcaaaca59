"""Writing converted weights as a checkpoint of ours, whole or absent, with their provenance.

The folder holds `model.safetensors` and `checkpoint.json`, which `init_from` and evaluation read, and
`conversion.json`: the source with its checksum, versions, and the account of every key.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file

from mcg.convert.account import Conversion, summary
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from mcg.engine.checkpoint import FORMAT


def write_checkpoint(conversion: Conversion, released: Released, out: str | Path, vocabulary: int) -> Path:
    """Write the checkpoint folder and return it. vocabulary: number of its entries.

    Raises ConvertError if something is at `out` already.
    """
    final = Path(out)
    if final.exists():
        raise ConvertError(f"{final}: is there already; name another folder, or remove it")
    aside = final.parent / f".{final.name}.{os.getpid()}"
    aside.mkdir(parents=True)
    try:
        save_file(conversion.state, aside / "model.safetensors")
        model = conversion.config.model_dump(mode="json")
        facts = {
            "format": FORMAT,
            "step": 0,
            "cursor": {},
            "config": {"model": model},
            "torch": torch.__version__,
            "world_size": 1,
        }
        files = released.sources()
        one = files[0] if len(files) == 1 else {"file": str(released.file), "files": files}
        source = {**one, "entry": released.wrapper, "beside": released.beside}
        versions = {"torch": torch.__version__, "safetensors": safetensors.__version__}
        account = {"source": source, **summary(conversion), "vocabulary": vocabulary, "versions": versions}
        (aside / "conversion.json").write_text(json.dumps(account, indent=1) + "\n")
        (aside / "checkpoint.json").write_text(json.dumps(facts, indent=1) + "\n")
        os.replace(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final
