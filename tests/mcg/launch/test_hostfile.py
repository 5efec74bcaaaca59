"""A hostfile is checked before ssh is tried on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mcg.launch.hostfile import HostfileError, main, read_hostfile


def _file(folder: Path, text: str) -> Path:
    file = folder / "hosts"
    file.write_text(text)
    return file


def test_hosts_and_their_processes_are_read(tmp_path: Path) -> None:
    file = _file(tmp_path, "# two\nlocalhost slots=8\n\n127.0.0.1   slots=4 # slow\n")
    assert read_hostfile(file) == {"localhost": 8, "127.0.0.1": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost slots=1\nnode.invalid slots=2\n", r"hosts:2: node\.invalid: no host of this name is known here"),
        ("localhost\n", r"hosts:1: 'localhost' is not HOST slots=N"),
        ("localhost slots=1\nlocalhost slots=1\n", "hosts:2: localhost is named twice"),
        ("# nothing\n", "no host in it"),
    ],
)
def test_what_deepspeed_could_not_use_is_told_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HostfileError, match=message):
        read_hostfile(_file(tmp_path, text))


def test_the_command_tells_every_fault_in_a_line(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    good = CliRunner().invoke(app, [str(_file(tmp_path, "localhost slots=2\n"))])
    assert (good.exit_code, good.stdout) == (0, f"{tmp_path / 'hosts'}: 1 hosts, 2 processes\n")
    bad = CliRunner().invoke(app, [str(_file(tmp_path, "a.invalid slots=2\nb\n"))])
    assert bad.exit_code == 1 and len(bad.stderr.splitlines()) == 2 and bad.stderr.startswith("error: ")
    lost = CliRunner().invoke(app, [str(tmp_path / "nowhere")])
    assert lost.exit_code == 1 and "nowhere" in lost.stderr
