"""A real browser (Debian's chromium) that opens a page; what it made of it, and what it asked of anybody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
if BROWSER is None and os.environ.get("MCG_REQUIRE_BROWSER"):
    raise RuntimeError("MCG_REQUIRE_BROWSER is set, but there is no chromium; apt-get install chromium")
NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="needs chromium (apt-get install chromium)")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-default-apps --disable-extensions --disable-sync --no-first-run --no-pings --mute-audio"
)


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """(address, what was asked there)."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def browse(page: Path, screenshot: Path | None = None, size: tuple[int, int] = (1200, 1400)) -> str:
    """The document after the browser has loaded it and run what it runs, as HTML. size: of the window, pixels."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [*FLAGS.split(), f"--user-data-dir={profile}", "--virtual-time-budget=3000"]
        what = (
            ["--dump-dom"]
            if screenshot is None
            else [f"--screenshot={screenshot}", f"--window-size={size[0]},{size[1]}"]
        )
        done = subprocess.run(
            [BROWSER, *options, *what, page.as_uri()],
            capture_output=True,
            timeout=250,
            env={**os.environ, "HOME": profile},
        )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode("utf-8", "replace")


def evaluate(page: Path, script: str) -> Any:
    """The value of the promise that a script gives in the loaded page, in real time: for films, which need it."""
    assert BROWSER is not None
    from_us, to_browser = os.pipe()
    from_browser, to_us = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [*FLAGS.split(), f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        pipes = f'exec "$@" 3<&{from_us} 4>&{to_us}'  # the numbers that the browser expects
        browser = subprocess.Popen(
            ["bash", "-c", pipes, "bash", BROWSER, *options],
            pass_fds=(from_us, to_us),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )
        os.close(from_us)
        os.close(to_us)
        stop = threading.Timer(200, browser.kill)
        stop.start()
        try:
            with os.fdopen(to_browser, "wb", buffering=0) as out, os.fdopen(from_browser, "rb") as answers:
                return _evaluate(_Session(out, answers), page, script)
        finally:
            stop.cancel()
            browser.kill()
            browser.wait()


class _Session:
    """A session of Chrome's DevTools protocol: JSON that ends with a zero byte, both ways."""

    def __init__(self, out: IO[bytes], answers: IO[bytes]) -> None:
        self._out, self._answers, self._count = out, answers, 0
        self.id: dict[str, str] = {}

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params, **self.id}
        self._out.write(json.dumps(message).encode() + b"\0")
        number = self._count
        found: dict[str, Any] = self.wait(lambda answer: answer.get("id") == number)
        assert "error" not in found, found
        return dict(found["result"])

    def wait(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        data = b""
        while byte := self._answers.read(1):
            if byte != b"\0":
                data += byte
                continue
            answer = json.loads(data)
            data = b""
            if is_wanted(answer):
                return dict(answer)
        raise AssertionError("the browser ended")


def _evaluate(session: _Session, page: Path, script: str) -> Any:
    target = session.ask("Target.createTarget", url="about:blank")["targetId"]
    session.id = {"sessionId": session.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
    session.ask("Page.enable")
    session.ask("Page.navigate", url=page.as_uri())
    session.wait(lambda answer: answer.get("method") == "Page.loadEventFired")
    found = session.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in found, found
    return found["result"].get("value")


def is_too_wide(page: Path, folder: Path, size: tuple[int, int]) -> bool:
    """True if a page with a white margin has to be scrolled sideways in a window of this size."""
    browse(page, folder / "seen.png", size)
    with Image.open(folder / "seen.png") as seen:
        corner = seen.convert("RGB").crop((1, seen.height - 6, 8, seen.height - 1))
        return bool(corner.getextrema() != ((255, 255),) * 3)  # where the bar would be


def attacks(address: str) -> list[str]:
    """Texts that do something in a page that takes them for more than text."""
    return [
        f"<script>document.title = 'owned'; fetch('{address}/script')</script>",
        f"<img src='{address}/img' onerror=\"document.title = 'owned'\">",
        f"\"><img src={address}/attribute onerror=document.title='owned'>",
        f"' onmouseover=fetch('{address}/on') autofocus onfocus=document.title='owned' x='",
        f"</style><style>@import url('{address}/style'); body {{ background: url({address}/css) }}</style>",
        f"</title></head><link rel=stylesheet href={address}/link><link rel=preload as=image href={address}/preload>",
        f"<svg onload=document.title='owned'><image href='{address}/svg'/></svg>",
        f"<iframe src='{address}/frame' srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
        f"<base href='{address}/'><meta http-equiv=refresh content='0;url={address}/refresh'>",
        f"<form action='{address}/form'><input autofocus onfocus=this.form.submit()></form>",
        f"<object data='{address}/object'></object><embed src='{address}/embed'><video src={address}/video>",
        "{{ 7 * 7 }}{% for x in () %}<a href='javascript:document.title=1'>x</a>",
        "\u202egpj.exe\u2066\u200b\x1b[31m\ufeff\U000e0041",
    ]
