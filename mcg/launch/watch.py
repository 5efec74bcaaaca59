"""Every rank is watched, so that one that dies or hangs brings the job down within a stated time, by name.

Each rank tells the store that the ranks share (mcg/launch/meeting.py), from a thread and on a connection of its own,
that it lives, what it does and for how long. Rank 0 reads all of them, the others read rank 0's and its verdict. A rank
is given up
- when it gives no sign of life (killed, stopped, its node gone) for `hang_seconds`;
- when what it does takes `hang_seconds` longer than usual (deadlock); before it was done three times, and so also while
  a run starts, `startup_seconds`;
- at once, when it ends by an error, which it leaves behind as its last words.
After SIGTERM patience is short (SIGTERM_SECONDS), since the launcher's is. Then each rank that is left writes one line
with the rank given up, its host and what it last did, and ends with exit code 1, also where its main thread is stuck in
a collective. Times are counted in ticks of one's own thread, so that a job that is suspended as a whole and goes on
later does not end. One process alone is not watched.
Gives up: telling apart what ranks do between two calls of `doing`, but for the place in the code.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from mcg.launch.meeting import Met
from mcg.launch.whereabouts import whereabouts
from shards.base import complain

SIGTERM_SECONDS = 10.0
"""Patience once a rank has had SIGTERM: launchers kill after 30 s."""
LEAVE_SECONDS = 30.0
"""For a process to end that has met an error: leaving a group whose other ranks are gone may never return."""
_NEVER_HURRIED = "saving"
"""What SIGTERM asks for."""
_KNOWN_AFTER = 3
_LEAVING_TICK = 0.1
_VERDICT_TICKS = 12
_TELLING_TICKS = 8
"""For rank 0 to tell the others of its own error: they ask at every tick, and busy machines are late."""
_LONGEST_TICK = 2.0


@dataclass
class _Peer:
    """What is known of a rank: its last sign of life, and the seconds since it changed."""

    said: dict[str, Any] = field(default_factory=dict)
    silent: float = 0.0

    def hear(self, said: dict[str, Any]) -> None:
        if said.get("beat") != self.said.get("beat"):
            self.said, self.silent = said, 0.0


class Watch:
    """Watches the ranks of a run from start to close."""

    def __init__(self, met: Met, rank: int, hang_seconds: float, startup_seconds: float) -> None:
        self._met, self._rank, self._world = met, rank, len(met.names)
        self._hang, self._startup = hang_seconds, startup_seconds
        self._tick = min(_LONGEST_TICK, hang_seconds / 20)
        self._store = met.store.clone()  # type: ignore[attr-defined]  # torch has it, its stubs do not
        self._peers = [_Peer() for _ in met.names] if rank == 0 else [_Peer()]
        self._usual: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=50))
        self._activity, self._detail, self._count, self._over = "starting", "", 0, 0.0
        self._patience = 0.0
        self._began = time.monotonic()
        self._main = threading.get_ident()
        self._beats, self._exchanges = 0, 0
        self._broken: str | None = None
        self._ended: str | None = None
        self._suspects = False
        self._verdict: str | None = None
        self._is_to_blame = False
        """Whether this is rank 0, has met an error, and so stays until the others know."""
        self._closing = threading.Event()
        self._left, self._wake = threading.Event(), threading.Event()
        self._read_signals, self._write_signals = os.pipe()
        self._has_sigterm = False
        self._talking = threading.Thread(target=self._talk, name="beats", daemon=True)

    def start(self) -> None:
        """Begin; on the main thread, whose signals it hears of then, also while that is stuck in a collective."""
        for end in (self._read_signals, self._write_signals):
            os.set_blocking(end, False)
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._write_signals, warn_on_full_buffer=False)
        self._exchange()
        self._talking.start()
        threading.Thread(target=self._judge, name="watch", daemon=True).start()

    def doing(self, activity: str, detail: str = "", patience: float = 0.0) -> None:
        """This rank now does this. detail: which one of its kind, e.g. the step. patience: seconds that it may take
        beyond hang_seconds, where something else gives it up."""
        now = time.monotonic()
        self._usual[self._activity].append(now - self._began)
        self._activity, self._detail, self._patience, self._began = activity, detail, patience, now
        self._count, self._over = self._count + 1, 0.0

    def await_verdict(self) -> None:
        """After an error of communication: wait until it is known which rank is lost, which ends this process; returns
        if none is."""
        self._suspects = True
        self._closing.wait(_VERDICT_TICKS * self._tick)

    def close(self, error: BaseException | None = None) -> None:
        """End: the ranks leave together, rank 0 last, which holds the store. error: left behind for the others."""
        if self._ended is not None:
            return
        self._ended = "done" if error is None else f"ended by {type(error).__name__}: {str(error)[:500]}"
        self.doing("leaving")
        if self._rank == 0 and error is not None:
            self._is_to_blame = True
            self._verdict = self._name(0, self._ended)
        self._wake.set()
        if self._broken is None:
            patience = _TELLING_TICKS if self._is_to_blame else 3
            self._left.wait(self._startup if self._rank == 0 and error is None else patience * self._tick)
        self._closing.set()
        if error is not None:
            _end_after(LEAVE_SECONDS)
        # A thread that comes back from torch while the interpreter ends aborts the process. Where the store's process
        # is stopped it does not come back.
        self._talking.join(3 * self._tick)
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)

    # ---- the thread that talks: every call may block where the store's process is stopped

    def _talk(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._tick)
            if self._closing.wait(0.0 if self._ended is None else _LEAVING_TICK):
                return
            try:
                self._exchange()
            except Exception as error:  # torch's own kinds, and RuntimeError
                self._broken = type(error).__name__
                self._left.set()  # nobody is left to wait for
                return

    def _exchange(self) -> None:
        ended = self._ended
        self._store.set(f"beat/{self._rank}", json.dumps(self.beat()))
        if self._rank == 0:
            keys = [f"beat/{rank}" for rank in range(self._world)]
            there = keys if self._exchanges else [key for key in keys if self._store.check([key])]
            found = dict(zip(there, self._store.multi_get(there), strict=True))
            for peer, key in zip(self._peers, keys, strict=True):
                if key in found:
                    peer.hear(json.loads(found[key]))
            if self._verdict is not None:
                self._store.set("verdict", self._verdict)
            if ended is not None and all(peer.said.get("ended") or peer.said.get("knows") for peer in self._peers):
                self._left.set()
            if len(found) < self._world:
                return  # not all have begun: ask once more which are there
        else:
            if self._store.check(["beat/0"]):
                self._peers[0].hear(json.loads(self._store.get("beat/0")))
            if self._store.check(["verdict"]):
                self._verdict = self._store.get("verdict").decode()
                self._store.set(f"beat/{self._rank}", json.dumps(self.beat()))  # rank 0 waits for that
            if ended is not None:
                self._left.set()
        self._exchanges += 1

    def beat(self) -> dict[str, Any]:
        """A sign of life, as the others read it."""
        limit, usual = self._limit()
        self._beats += 1
        return {
            "beat": self._beats,
            "count": self._count,
            "doing": f"{self._activity} {self._detail}".strip(),
            "over": round(self._over, 1),
            "limit": limit,
            "usual": usual,
            "sigterm": self._has_sigterm,
            "suspects": self._suspects,
            "ended": self._ended,
            "knows": self._verdict is not None,
            **whereabouts(self._main).to_dict(),
        }

    def _limit(self) -> tuple[float, float | None]:
        known = list(self._usual[self._activity]) if self._activity in self._usual else []
        if len(known) < _KNOWN_AFTER:
            return self._startup + self._patience, None
        usual = statistics.median(known)
        return usual + self._hang + self._patience, usual

    # ---- the thread that judges: never blocks

    def _judge(self) -> None:
        last, exchanges, stale = time.monotonic(), -1, 0.0
        while not self._closing.wait(self._tick):
            now = time.monotonic()
            passed, last = min(now - last, 3 * self._tick), now
            self._over += passed
            self._note_signals()
            for peer in self._peers:
                peer.silent += passed
            stale = 0.0 if self._exchanges != exchanges else stale + passed
            exchanges = self._exchanges
            verdict = self._verdict or self._found(stale)
            if verdict is not None and self._ended is not None and not self._is_to_blame:
                self._left.set()  # not to be waited for at the end
            if verdict is None or self._ended is not None:
                continue
            self._verdict = verdict
            # An error that all ranks meet each tells by itself; rank 0, whose other thread tells the rest, ends last.
            if not self._closing.wait((4 if self._rank == 0 else 2) * self._tick) and self._ended is None:
                self._bring_down(verdict)

    def _found(self, stale: float) -> str | None:
        """Who is to be given up, and why; None while all is well."""
        said = [peer.said for peer in self._peers]
        hurry = self._has_sigterm or any(s.get("sigterm") for s in said)
        silence = min(self._hang, SIGTERM_SECONDS) if hurry else self._hang
        if self._suspects or any(s.get("suspects") for s in said):
            silence = min(silence, 4 * self._tick)
        if self._rank != 0:
            return self._found_rank_0(stale, silence)
        for rank, s in enumerate(said):
            if s.get("ended") not in (None, "done"):
                return self._name(rank, s["ended"])
        silent = [r for r, peer in enumerate(self._peers) if r and peer.silent > silence and not peer.said.get("ended")]
        if silent:
            reasons = [f"no sign of life for {self._peers[rank].silent:.0f} s" for rank in silent]
            return self._names(silent, reasons)
        there = {rank: s for rank, s in enumerate(said) if s and not s["ended"]}
        # Those ahead, and those in a collective, wait for those behind, or at least for those that do something else.
        behind = min((s["count"] for s in there.values()), default=0)
        ranks = [rank for rank, s in there.items() if s["count"] == behind]
        ranks = [rank for rank in ranks if not said[rank]["waits"]] or ranks
        if not any(said[rank]["over"] > _allowed(said[rank], hurry) for rank in ranks):
            return None
        return self._names(ranks, [f"no progress for {said[rank]['over']:.0f} s" for rank in ranks])

    def _found_rank_0(self, stale: float, silence: float) -> str | None:
        if self._broken is not None and self._met.held_by_agent:
            return None  # the launcher is gone, which has its own watch (mcg/launch/launcher.py)
        if self._broken is not None and stale > 4 * self._tick:
            return self._name(0, "is gone: its end of the connection broke")
        silent = max(self._peers[0].silent, stale)
        if silent <= silence + 2 * self._tick or self._peers[0].said.get("ended"):
            return None
        return self._name(0, f"no sign of life for {silent:.0f} s")

    def _note_signals(self) -> None:
        try:
            self._has_sigterm |= signal.SIGTERM in os.read(self._read_signals, 64)
        except BlockingIOError:
            return

    # ---- the end

    def _names(self, ranks: list[int], reasons: list[str]) -> str:
        named = [self._name(rank, why) for rank, why in zip(ranks[:8], reasons, strict=False)]
        return "; ".join(named) + (f"; and {len(ranks) - 8} more" if len(ranks) > 8 else "")

    def _name(self, rank: int, why: str) -> str:
        peer = self._peers[0 if self._rank else rank]
        last = f"; it last did: {peer.said['doing']} {peer.said['at']}".rstrip() if peer.said else ""
        return f"rank {rank} of {self._world} ({self._met.names[rank]}): {why}{last}"

    def _bring_down(self, verdict: str) -> None:
        here = whereabouts(self._main)
        own = f"rank {self._rank} ({self._met.names[self._rank]}) ends, which did: {self._activity} {self._detail}"
        complain(f"{verdict}. {own.rstrip()} {here.at}; the same command goes on from the last checkpoint")
        if f"rank {self._rank} of " in verdict:
            faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
        os._exit(1)


def _end_after(seconds: float) -> None:
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _allowed(said: dict[str, Any], hurry: bool) -> float:
    """Seconds that what a rank does may take."""
    limit: float = said["limit"]
    if not hurry or said["usual"] is None or said["doing"].startswith(_NEVER_HURRIED):
        return limit
    return min(limit, said["usual"] + SIGTERM_SECONDS)
