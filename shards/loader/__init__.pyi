"""The names that this room gives to others."""

from .accounting import RunAccounting as RunAccounting
from .config import DatasetConfig as DatasetConfig
from .config import LoaderConfig as LoaderConfig
from .metrics import to_prometheus as to_prometheus
from .metrics import write_metrics as write_metrics
from .setup import RngFactory as RngFactory
from .stats import Snapshot as Snapshot
