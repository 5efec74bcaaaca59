"""The engine: DeepSpeed, optimiser groups, schedule, checkpoints, logs. Only mcg/engine/deepspeed.py imports deepspeed."""
