"""Which of how many processes this one is, as its launcher says it in the environment.

Asked in this order: RANK and WORLD_SIZE (torchrun, deepspeed, or set by hand); a task of srun; none, which is one
process. Never guesses: a process that a launcher started as one of several, but whose number nobody tells, is refused,
since it would train a copy of the run into the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcg.launch.hostlist import expand_hosts
from shards.base import UsageError

_PORTS = range(10_000, 30_000)
"""Ports for jobs of Slurm: above those of services, below those that Linux hands out (32768)."""
_OF_OTHERS = {"OMPI_COMM_WORLD_SIZE": "mpirun", "PMI_SIZE": "mpiexec", "MV2_COMM_WORLD_SIZE": "mpirun_rsh"}
"""Counts of processes that launchers set whose ranks are not read here."""


@dataclass(frozen=True)
class Place:
    """The place of a process in its run, and where its ranks meet."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    """Number among the processes of this node."""
    host: str = "127.0.0.1"
    """Where rank 0 listens, or the launcher for it."""
    port: int = 0
    """0 for one process alone, whose store takes a free one itself: one found free before may be taken by then."""
    launcher: str = "one process"

    def to_environment(self) -> dict[str, str]:
        """The variables that torch and DeepSpeed read."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.world),
            "LOCAL_RANK": str(self.local_rank),
            "MASTER_ADDR": self.host,
            "MASTER_PORT": str(self.port),
        }


def find_place(environ: Mapping[str, str]) -> Place:
    """The place of this process. Raises UsageError where the variables do not tell it."""
    tasks = _num_tasks(environ)
    if "RANK" in environ:
        place = _from_ranks(environ)
        if place.world < tasks:
            raise UsageError(
                f"srun started {tasks} tasks, and RANK {place.rank} of WORLD_SIZE {place.world} makes each of them a "
                "run of its own: unset RANK and WORLD_SIZE, or give torchrun --nnodes and --rdzv-endpoint"
            )
        return place
    if "SLURM_STEP_ID" in environ and "SLURM_PROCID" in environ:
        return _from_slurm(environ, tasks)
    if tasks > 1:
        raise UsageError(
            f"SLURM_NTASKS is {tasks}, and no rank is told (no SLURM_STEP_ID with SLURM_PROCID, no RANK): start with "
            "`srun python train.py ...`, or one process alone with `srun -n 1 python train.py ...`"
        )
    for name, launcher in _OF_OTHERS.items():
        if environ.get(name, "1") != "1":
            raise UsageError(
                f"{name} is {environ[name]!r}: {launcher} started several processes and tells no RANK: start with srun,"
                " torchrun or deepspeed, or set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
            )
    return Place()


def _from_ranks(environ: Mapping[str, str]) -> Place:
    rank, world = _number(environ, "RANK"), _number(environ, "WORLD_SIZE")
    _check(rank, world, "RANK", "WORLD_SIZE")
    if not environ.get("MASTER_ADDR"):
        raise UsageError("RANK is set and MASTER_ADDR is not: set it to the host of rank 0, or use a launcher")
    local = _number(environ, "LOCAL_RANK") if "LOCAL_RANK" in environ else 0
    launcher = next((name for key, name in _LAUNCHERS.items() if key in environ), "RANK and WORLD_SIZE")
    return Place(rank, world, local, environ["MASTER_ADDR"], _number(environ, "MASTER_PORT"), launcher)


_LAUNCHERS = {"TORCHELASTIC_RUN_ID": "torchrun", "CROSS_RANK": "deepspeed"}


def _from_slurm(environ: Mapping[str, str], world: int) -> Place:
    rank, local = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_LOCALID")
    _check(rank, world, "SLURM_PROCID", "SLURM_NTASKS")
    if world == 1:
        return Place(launcher="srun")
    host = environ.get("MASTER_ADDR", "")
    if not host:
        name = "SLURM_STEP_NODELIST" if "SLURM_STEP_NODELIST" in environ else "SLURM_JOB_NODELIST"
        try:
            host = expand_hosts(environ.get(name, ""))[0]
        except ValueError as error:
            raise UsageError(f"{name}: {error}; set MASTER_ADDR to the host of rank 0") from None
    if "MASTER_PORT" in environ:
        port = _number(environ, "MASTER_PORT")
    else:
        # jobs that share a node differ in their number, and steps of one job in theirs
        step = environ["SLURM_STEP_ID"]
        port = _PORTS[(_number(environ, "SLURM_JOB_ID") + 31 * int(step if step.isdigit() else 0)) % len(_PORTS)]
    return Place(rank, world, local, host, port, "srun")


def _num_tasks(environ: Mapping[str, str]) -> int:
    """Tasks of the step of srun, or those of the allocation in a script of sbatch; 1 outside of Slurm."""
    for name in ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"):
        if name in environ:
            return _number(environ, name)
    return 1


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name)
    if text is None:
        raise UsageError(f"{name} is not set, other variables of the launcher are: use torchrun, deepspeed or srun")
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{name}={text[:40]!r}: expected a whole number; the launcher sets it")
    return int(text)


def _check(rank: int, world: int, rank_name: str, world_name: str) -> None:
    if not 0 <= rank < world:
        raise UsageError(f"{rank_name} is {rank} and {world_name} is {world}: ranks are numbered from 0 to one less")
