"""One save at a time in the background, and what goes wrong with it is told when it is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch

from mcg.engine.store.background import Background
from mcg.engine.store.contents import Content, Contents


def test_the_copy_is_waited_for_before_a_change_and_the_rest_goes_on_beside() -> None:
    background, go = Background(), threading.Event()
    background.wait_for_copy()  # nothing is under way
    weights = torch.zeros(3)
    seen: list[float] = []

    def work(take: Callable[[], Contents]) -> str | None:
        copied = take()
        go.wait()
        seen.append(float(copied["a"].tensors["w"].sum()))
        return "no room"

    background.start({"a": Content({"w": weights})}, work)
    background.wait_for_copy()
    weights += 1  # training goes on
    assert seen == []
    go.set()
    assert background.wait() == "no room" and seen == [0.0]
    assert background.wait() is None
    background.start({}, lambda take: str(take()))
    assert background.wait() == "{}"
