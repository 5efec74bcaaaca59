"""The engine: DeepSpeed, optimiser groups, schedule, checkpoints, logs. Only its deepspeed.py imports deepspeed."""
