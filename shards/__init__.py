"""Streaming of tar shards: deterministic order, elastic resume, decoded batches; no model, no task, no torch.

`import shards` loads nothing heavy: every public name comes from its module when it is first used. The way of a clip is
source -> reader -> Sample -> (the task's encode) -> EncodedClip -> decode -> collate -> Batch; `Loader` drives it.
"""

import lazy_loader

# The names that the library gives to others stand in __init__.pyi; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
