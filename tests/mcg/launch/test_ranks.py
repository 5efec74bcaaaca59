"""The place of a process from the variables of its launcher, and the processes that have none."""

from __future__ import annotations

import pytest

from mcg.launch.ranks import Place, find_place
from shards.base import UsageError

TASK = {
    "SLURM_JOB_ID": "4242",
    "SLURM_STEP_ID": "1",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "8",
    "SLURM_JOB_NODELIST": "node[01-02],gpu7",
}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "29500"}


def test_no_launcher_is_one_process() -> None:
    assert find_place({}) == Place(0, 1, 0, "127.0.0.1", 0, "one process")
    assert find_place({"SLURM_NTASKS": "1", "OMPI_COMM_WORLD_SIZE": "1"}).world == 1


def test_a_task_of_srun_has_its_place_from_slurm() -> None:
    assert find_place(TASK) == Place(5, 8, 1, "node01", 10_000 + 4242 + 31, "srun")
    assert find_place({**TASK, "SLURM_STEP_NODELIST": "gpu7"}).host == "gpu7"
    assert find_place({**TASK, "MASTER_ADDR": "head", "MASTER_PORT": "5"}) == Place(5, 8, 1, "head", 5, "srun")
    alone = {**TASK, "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
    assert find_place(alone) == Place(launcher="srun")


def test_the_tasks_of_a_step_agree_on_the_port_and_other_jobs_and_steps_have_others() -> None:
    ports = {find_place({**TASK, "SLURM_PROCID": str(rank)}).port for rank in range(8)}
    assert len(ports) == 1
    assert find_place({**TASK, "SLURM_JOB_ID": "4243"}).port not in ports
    assert find_place({**TASK, "SLURM_STEP_ID": "2"}).port not in ports
    assert find_place({**TASK, "SLURM_JOB_ID": str(2**31)}).port < 30_000


def test_ranks_of_a_launcher_come_before_slurm() -> None:
    expected = Place(3, 4, 1, "a", 29500, "torchrun")
    assert find_place({**TORCHRUN, "TORCHELASTIC_RUN_ID": "x", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}) == expected
    assert find_place({**TORCHRUN, "CROSS_RANK": "0"}).launcher == "deepspeed"
    assert find_place(expected.to_environment()) == Place(3, 4, 1, "a", 29500, "RANK and WORLD_SIZE")


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, "SLURM_NTASKS is 8, and no rank is told .*srun python train.py"),
        ({"SLURM_NTASKS": "8", "SLURM_STEP_ID": "0"}, "SLURM_NTASKS is 8, and no rank is told"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_SIZE is '2': mpirun .* tells no RANK"),
        ({"PMI_SIZE": "4", "PMI_RANK": "1"}, "PMI_SIZE"),
        (
            {**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1", **TASK},
            "srun started 8 tasks, and RANK 0 of WORLD_SIZE 1 makes each of them a run of its own",
        ),
        ({"RANK": "0"}, "WORLD_SIZE is not set"),
        ({"RANK": "4", "WORLD_SIZE": "4"}, "RANK is 4 and WORLD_SIZE is 4: ranks are numbered from 0"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "MASTER_ADDR is not"),
        ({**TORCHRUN, "MASTER_PORT": "http"}, "MASTER_PORT='http': expected a whole number"),
        ({**TASK, "SLURM_PROCID": "8"}, "SLURM_PROCID is 8 and SLURM_NTASKS is 8"),
        ({**TASK, "SLURM_JOB_NODELIST": "node["}, "SLURM_JOB_NODELIST: 'node\\[' is no list of hosts.*MASTER_ADDR"),
        ({**TASK, "SLURM_PROCID": "-1"}, "SLURM_PROCID='-1': expected a whole number"),
    ],
)
def test_what_tells_no_rank_is_refused_by_name(environ: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        find_place(environ)
