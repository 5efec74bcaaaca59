"""The names that this room gives to others."""

from .config import DatasetConfig as DatasetConfig
from .config import LoaderConfig as LoaderConfig
from .contention import Contention as Contention
from .metrics import to_json_line as to_json_line
from .metrics import to_prometheus as to_prometheus
from .metrics import write_metrics as write_metrics
from .run_accounting import RunAccounting as RunAccounting
from .setup import RngFactory as RngFactory
from .snapshot import Snapshot as Snapshot
from .stats import StepTime as StepTime
from .stats import StepTimer as StepTimer
