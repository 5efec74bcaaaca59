"""Megatron-Energon 7.4.1 on the tars themselves, after `energon prepare`: slices of 100 samples, a shuffle buffer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answer import main
from protocol import Options, Sample, link_tars


def load() -> None:
    import megatron.energon  # noqa: F401


class Stream:
    def __init__(self, options: Options) -> None:
        from megatron.energon import WorkerConfig, get_savable_loader, get_train_dataset, get_val_dataset

        worker_config = WorkerConfig(
            rank=options.rank, world_size=options.world, num_workers=options.workers, seed_offset=options.seed
        )
        arguments: dict[str, Any] = {
            "worker_config": worker_config,
            "batch_size": options.batch,
            "task_encoder": _task_encoder(options),
        }
        if options.shuffle:
            dataset = get_train_dataset(
                options.url,
                shuffle_buffer_size=options.buffer,
                max_samples_per_sequence=100,
                repeat=False,
                **arguments,
            )
        else:
            dataset = get_val_dataset(options.url, split_part="train", **arguments)
        self._loader = get_savable_loader(dataset)
        if options.state:
            import torch

            self._loader.restore_state_rank(torch.load(options.state, weights_only=False))

    def __iter__(self) -> Iterator[Sample]:
        for batch in self._loader:
            yield from batch

    def save(self, path: str) -> None:
        import torch

        torch.save(self._loader.save_state_rank(), path)


def _task_encoder(options: Options) -> Any:
    import dataclasses
    import io

    from megatron.energon import Cooker, DefaultTaskEncoder, SampleDecoder, basic_sample_keys, stateless
    from megatron.energon.flavors.base_dataset import Sample as Base

    @dataclasses.dataclass
    class Pair(Base):
        medium: Any
        text: Any

    @stateless
    def cook(sample: dict[str, Any]) -> Pair:
        medium = sample["jpg"]
        if options.decode:
            from PIL import Image

            medium = Image.open(io.BytesIO(medium)).convert("RGB").tobytes()
        text = sample["json"]
        return Pair(
            **basic_sample_keys(sample), medium=medium, text=text if isinstance(text, bytes) else repr(text).encode()
        )

    class Encoder(DefaultTaskEncoder):
        cookers = (Cooker(cook),)
        decoder = SampleDecoder() if options.mode == "whole" else None

        def batch(self, samples: list[Any]) -> Any:
            return [(sample.medium, sample.text) for sample in samples]

    return Encoder()


def convert(tars: list[str], out: str) -> None:
    """Links to the tars, and what `energon prepare` adds."""
    link_tars(tars, out)
    command = str(Path(sys.executable).with_name("energon"))
    options = ["--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CrudeWebdataset", "--num-workers", "2"]
    subprocess.run([command, "prepare", *options, out], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main(load, Stream, convert)
