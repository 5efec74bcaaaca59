"""DeepSpeed's settings: those that follow from ours, with those of `engine.deepspeed` laid over them.

A section that DeepSpeed does not know is refused, since it would pass over it in silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from mcg.engine.config import EngineConfig

_SECTIONS = {
    *("aio", "autotuning", "comet", "comms_logger", "communication_data_type", "compile", "compression_training"),
    *("csv_monitor", "curriculum_learning", "data_efficiency", "data_types", "dataloader_drop_last"),
    *("disable_allgather", "disable_python_gc", "dump_state", "eigenvalue", "elasticity", "flops_profiler", "fp16"),
    *("bf16", "gradient_allreduce_op", "gradient_predivide_factor", "hybrid_engine", "log_level"),
    *("managed_gradient_accumulation", "memory_breakdown", "nebula", "pipeline", "prescale_gradients"),
    *("progressive_layer_drop", "seq_parallel_communication_data_type", "sparse_gradients", "steps_per_print"),
    *("tensor_parallel", "tensorboard", "timers", "torch_autocast", "use_data_before_expert_parallelism"),
    *("use_node_local_storage", "wall_clock_breakdown", "wandb", "weight_quantization", "zero_optimization"),
    *("zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
}
"""What stands at the top of DeepSpeed 0.19's settings, but for what ours decide."""


def deepspeed_settings(config: EngineConfig, micro_batch: int, world: int, has_cuda: bool) -> dict[str, Any]:
    """What DeepSpeed is given. micro_batch: elements of a rank."""
    zero: dict[str, Any] = {"stage": config.zero_stage}
    if config.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": has_cuda}
    if config.zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    ours = {
        "train_micro_batch_size_per_gpu": micro_batch,
        "gradient_accumulation_steps": config.accumulation_steps,
        "train_batch_size": micro_batch * config.accumulation_steps * world,
        "gradient_clipping": config.gradient_clipping,
        "zero_optimization": zero,
        "bf16": {"enabled": config.precision == "bf16"},
        "fp16": {"enabled": config.precision == "fp16"},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }
    return _laid_over(ours, config.deepspeed)


def check_known(given: Mapping[str, Any], version: str) -> None:
    """Raise ValueError for a section that DeepSpeed, of this version, does not know."""
    for name in given:
        if name not in _SECTIONS:
            near = difflib.get_close_matches(name, _SECTIONS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"engine.deepspeed.{name}: is no setting of DeepSpeed {version}{hint}")


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for name, value in above.items():
        under = made.get(name)
        made[name] = _laid_over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return made
