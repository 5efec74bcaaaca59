"""Plan a run before it is started: will it fit, how long does it take, and what must its data deliver?

    python -m mcg.plan --config configs/pt.yaml --gpus 64 --gpu h200
    python -m mcg.plan --config configs/demo/pt.yaml --gpus 1 --gpu cpu

The model is built and trained here for a few samples, which takes a minute or two for one of base size on two cores.
Where the data is there, a few batches are loaded, so decoding is measured, too; where it is not, --elements and
--sample-bytes tell of it. docs/training.md says how near plans came to runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcg.config import load_config
from shards.base import say, say_json
from shards.cli import DEBUG_OPTION, one_line_errors, start_command


def main(
    config: Annotated[Path, typer.Option(help="A YAML file under configs/.")],
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of the run; with --gpu cpu processes of this machine.")],
    gpu: Annotated[str, typer.Option(help="h200, h100, a100, v100, t4, ... or cpu: this machine's.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the config file.")] = None,
    use: Annotated[str | None, typer.Option(help="Which use, of a run of several (uses).")] = None,
    gpus_per_node: Annotated[int, typer.Option(min=1, help="GPUs that are connected without a network.")] = 8,
    network_gb: Annotated[float, typer.Option(min=0.1, help="GB/s between nodes, of each GPU.")] = 25.0,
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="Share of a GPU's peak that is reached.")] = 0.35,
    elements: Annotated[int | None, typer.Option(min=1, help="Elements of a pass, where the data is not here.")] = None,
    sample_bytes: Annotated[float | None, typer.Option(min=1, help="Mean size of a sample, likewise.")] = None,
    usd_per_gb: Annotated[float, typer.Option(min=0, help="Price of bytes that leave the store's region.")] = 0.09,
    usd_per_1000: Annotated[float, typer.Option(min=0, help="Price of 1,000 requests.")] = 0.0004,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Tell memory, time and data of a run on so many GPUs."""
    with one_line_errors(debug):
        read = load_config(config, overrides or []).of_use(use)

        from mcg.plan.plan import Prices, make_plan
        from mcg.plan.table import lines

        plan = make_plan(
            read,
            gpus,
            gpu,
            mfu=mfu,
            per_node=gpus_per_node,
            network=network_gb * 1e9,
            elements=elements,
            sample_bytes=sample_bytes,
            prices=Prices(usd_per_gb, usd_per_1000),
        )
        if as_json:
            say_json(plan.to_dict())
        else:
            for line in lines(plan):
                say(line)


if __name__ == "__main__":
    start_command(main, "python -m mcg.plan")
