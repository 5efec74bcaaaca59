"""Megatron-Energon 7.4.1: a task encoder and the savable loader, on tars that `energon prepare` has indexed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from answer import main
from question import Batch, Question, parse, pixels, stacked


def load() -> None:
    import megatron.energon  # noqa: F401
    from PIL import Image

    Image.preinit()


def batches(question: Question) -> Iterable[Batch]:
    from megatron.energon import WorkerConfig, get_savable_loader, get_train_dataset

    dataset = get_train_dataset(
        question.url,
        worker_config=WorkerConfig(rank=0, world_size=1, num_workers=question.workers),
        batch_size=question.batch,
        task_encoder=_task_encoder(question.size),
        shuffle_buffer_size=1000,
        max_samples_per_sequence=100,
        repeat=False,
    )
    loader: Iterable[Batch] = get_savable_loader(dataset)
    return loader


def _task_encoder(size: int) -> Any:
    import dataclasses

    from megatron.energon import Cooker, DefaultTaskEncoder, basic_sample_keys, stateless
    from megatron.energon.flavors.base_dataset import Sample

    @dataclasses.dataclass
    class Pair(Sample):
        medium: Any
        record: Any

    @stateless
    def cook(sample: dict[str, Any]) -> Pair:
        medium = pixels(sample["jpg"], size) if size else sample["jpg"]
        return Pair(**basic_sample_keys(sample), medium=medium, record=parse(sample["json"]))

    class Encoder(DefaultTaskEncoder):
        cookers = (Cooker(cook),)
        decoder = None

        def batch(self, samples: list[Any]) -> Any:
            return stacked(((sample.medium, sample.record) for sample in samples), size)

    return Encoder()


if __name__ == "__main__":
    main(load, batches)
