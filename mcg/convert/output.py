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

from mcg.convert.account import Conversion, summary
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from mcg.engine.saving import describe
from mcg.engine.store.integrity import FileFacts, keep_folder, write_text
from mcg.engine.store.tensor_file import write_tensors


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
        files = {"model.safetensors": write_tensors(aside / "model.safetensors", conversion.state)}
        model = conversion.config.model_dump(mode="json")
        facts = {"step": 0, "cursor": {}, "config": {"model": model}, "world_size": 1}
        sources = released.sources()
        one = sources[0] if len(sources) == 1 else {"file": str(released.file), "files": sources}
        source = {**one, "entry": released.wrapper, "beside": released.beside}
        versions = {"torch": torch.__version__, "safetensors": safetensors.__version__}
        account = {"source": source, **summary(conversion), "vocabulary": vocabulary, "versions": versions}
        write_text(aside / "conversion.json", json.dumps(account, indent=1) + "\n")
        describe(aside, facts, {**files, "conversion.json": FileFacts.of(aside / "conversion.json")})
        keep_folder(aside)
        os.replace(aside, final)
        keep_folder(final.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final
