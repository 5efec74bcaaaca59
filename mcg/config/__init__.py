"""The config of a run: its tree of settings, the reading of its files, and the reference of every setting.

`python -m mcg.config` shows, checks and lists config files.
"""

from __future__ import annotations

from mcg.config.run_config import RunConfig, load_config, load_stored, read_yaml

__all__ = ["RunConfig", "load_config", "load_stored", "read_yaml"]
