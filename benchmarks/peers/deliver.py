"""The verb ids: deliver samples one by one, and bring about what the benchmark asks for on the way."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
import traceback
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from process_memory import children, command_line
from protocol import Figures, Options, Unsupported, number_of


def ids(load: Any, open_stream: Any, options: Options) -> Figures:
    """Deliver up to `stop_after` samples (0: the pass) and write a line "number checksum" for each to `out`.

    After `act_after` samples `act` is done, one of ACTS. The figures say how the pass ended.
    """
    load()
    if options.out:
        Path(options.out + ".loaded").touch()
    if options.act == "fork":
        return _in_forks(open_stream, options)
    figures: Figures = {"end": "normal"}
    samples = (Journal(Path(options.out))) if options.out else None
    numbers: list[int] = []
    try:
        if options.act == "touch":
            next(iter(open_stream(replace(options, workers=0, cache=options.cache and options.cache + "-touched"))))
        stream = open_stream(options)
        for medium, text in stream:
            try:
                number = number_of(text)
            except ValueError:
                number = -1  # not what was written; the judge reports it
            numbers.append(number)
            if samples:
                samples.write(number, b"" if options.decode else medium)
            if options.saves and str(len(numbers)) in options.saves:
                stream.save(options.saves[str(len(numbers))])
            if options.act_after and len(numbers) % options.act_after == 0 and not figures.get("acted"):
                ACTS[options.act](options, figures)
            if len(numbers) == options.stop_after:
                break
        if options.save:
            stream.save(options.save)
        notes = getattr(stream, "notes", None)
        if notes:
            figures["notes"] = notes()
    except Unsupported:
        raise
    except BaseException as error:
        traceback.print_exc()
        figures["end"] = "error"
        figures["error"] = f"{type(error).__name__}: {error}"
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
    if not options.out:
        figures["ids"] = numbers
    return figures


def _in_forks(open_stream: Any, options: Options) -> Figures:
    """Open two ranks in this process and read each in a fork of it."""
    streams = [open_stream(replace(options, rank=rank, world=2)) for rank in range(2)]
    forks = []
    for rank, stream in enumerate(streams):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                journal = Journal(Path(f"{options.out}.{rank}"))
                for medium, text in stream:
                    journal.write(number_of(text), medium)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        forks.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in forks]
    return {"end": "error", "error": f"forks ended with {codes}"} if any(codes) else {"end": "normal"}


class Journal:
    """The delivered samples, written at once so that they outlive the process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)

    def write(self, number: int, medium: Any) -> None:
        self._file.write(f"{number} {zlib.crc32(bytes(medium)):08x}\n")


def _kill_worker(options: Options, figures: Figures) -> None:
    figures["acted"] = True
    found = [pid for pid in children() if "resource_tracker" not in command_line(pid)]
    figures["killed"] = len(found[:1])
    if not found:
        raise Unsupported("has no worker processes: it reads in threads of one process")
    os.kill(found[0], signal.SIGKILL)


def _pause(options: Options, figures: Figures) -> None:
    """Write the ids of the processes, then wait to be killed from outside."""
    figures["acted"] = True
    Path(options.out + ".pids").write_text(json.dumps(children()))
    time.sleep(600)


def _wait_for_go(options: Options, figures: Figures) -> None:
    """Tell the parent that this point is reached, and wait until it says to go on."""
    figures["acted"] = True
    Path(options.out + ".ready").touch()
    while not Path(options.out + ".go").exists():
        time.sleep(0.01)


def _clock(options: Options, figures: Figures) -> None:
    """Set the clock a day ahead; the second time, a day behind."""
    before = time.time()
    offset = -86400 if figures.get("jumps") else 86400
    with open(os.environ["MCG_CLOCK"], "r+b") as file:
        file.write(struct.pack("q", offset))
    assert abs(time.time() - before) > 80000, "the clock did not jump"
    figures["jumps"] = figures.get("jumps", 0) + 1
    figures["acted"] = figures["jumps"] == 2


ACTS = {"kill_worker": _kill_worker, "pause": _pause, "wait": _wait_for_go, "clock": _clock}
