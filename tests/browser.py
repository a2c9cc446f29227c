"""Pages in a browser, for tests that click them: Chromium without a window, if it is installed."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None or os.name == "nt", reason="needs Chromium: apt install chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BUDGET = 5_000_000  # milliseconds for timers and animations, none of which the test waits for
TIMEOUT = 120  # seconds
HARNESS = """<script>
  const problems = [];
  addEventListener("error", e => problems.push(e.message));
  addEventListener("unhandledrejection", e => problems.push(String(e.reason)));
  const run = async () => { ACTIONS };
  run().then(value => ({value}), error => ({error: String(error)})).then(found => parent.postMessage(JSON.stringify({...found, problems}), "*"));
</script></body>"""
# Chromium's own window is never narrower than 500 pixels, and less high than it is told: a frame has the size of a telephone to the pixel.
FRAME = """<!doctype html><iframe src="page.html" style="width: {}px; height: {}px; border: 0"></iframe><script>
  addEventListener("message", e => told(e.data));
</script>"""


class Chromium:
    """A browser that runs as long as the tests, as its start takes longer than most of them. Each page is in a window and a profile of its own.

    Commands and answers are JSON, each with a zero byte at its end, through two pipes: the Chrome DevTools protocol.
    """

    def __init__(self, folder: str):
        import fcntl  # not on Windows, where nothing here is called

        pipes = [*os.pipe(), *os.pipe()]
        read, self.commands, self.answers, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipes)  # it reads 3 and writes 4
        ends = [(os.POSIX_SPAWN_DUP2, read, 3), (os.POSIX_SPAWN_DUP2, write, 4)]
        quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
        arguments = [str(BROWSER), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        self.process = os.posix_spawn(str(BROWSER), arguments, os.environ, file_actions=[*quiet, *ends])
        for end in (*pipes, read, write):
            os.close(end)
        self.number, self.rest, self.events, self.owner = 0, b"", [], os.getpid()

    def close(self) -> None:
        """It ends when nobody can tell it anything; and that by itself if this process is killed. Forked processes leave it running."""
        if os.getpid() != self.owner:
            return
        os.close(self.commands)
        os.close(self.answers)
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)

    def message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"the browser says nothing for {TIMEOUT} s"
            new = os.read(self.answers, 1 << 20)
            assert new, "the browser has ended"
            self.rest += new
        one, _, self.rest = self.rest.partition(b"\0")
        return json.loads(one)

    def call(self, method: str, session: str | None = None, **arguments: Any) -> dict[str, Any]:
        """The answer to a command."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": arguments} | ({"sessionId": session} if session else {})
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        until = time.monotonic() + TIMEOUT
        while (found := self.message(until)).get("id") != self.number:
            self.events.append(found)
        assert "error" not in found, f"{method}: {found['error']}"
        return found["result"]

    def event(self, method: str, session: str) -> dict[str, Any]:
        """What the browser says, by itself, of a session; it may have said it already."""
        until, seen = time.monotonic() + TIMEOUT, 0
        while True:
            for found in self.events[seen:]:
                if (found.get("method"), found.get("sessionId")) == (method, session):
                    return found["params"]
            seen = len(self.events)
            self.events.append(self.message(until))

    def told(self, path: Path, size: tuple[int, int]) -> str:
        """What a page gives to the function ``told``."""
        profile = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            wide, high = size
            target = self.call("Target.createTarget", url="about:blank", width=wide, height=high, browserContextId=profile, newWindow=True)[
                "targetId"
            ]
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for method in ("Runtime.enable", "Page.enable"):
                self.call(method, session)
            self.call("Runtime.addBinding", session, name="told")
            self.call("Page.navigate", session, url=path.as_uri())
            self.event("Page.loadEventFired", session)
            # From here on, time without work passes in a moment (given before the page is loaded, the time is over before the first frame).
            self.call("Emulation.setVirtualTimePolicy", session, policy="pauseIfNetworkFetchesPending", budget=BUDGET)
            return self.event("Runtime.bindingCalled", session)["payload"]
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=profile)
            self.events = []


@functools.cache
def chromium() -> Chromium:
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    browser = Chromium(folder.name)
    atexit.register(lambda: (browser.close(), folder.cleanup()))
    return browser


def act(page: str, actions: str, folder: Path, size: tuple[int, int] = (1200, 800)) -> Any:
    """What ``actions`` (the body of an async function) return in the loaded ``page``; an error that the page meets fails the test."""
    (folder / "page.html").write_text(page.replace("</body>", HARNESS.replace("ACTIONS", actions)), encoding="utf-8")
    path = folder / "frame.html"
    path.write_text(FRAME.format(*size), encoding="utf-8")
    result = json.loads(chromium().told(path, size))
    assert result["problems"] == []
    assert "error" not in result, result
    return result["value"]
