"""Pages in a browser, for tests that click them: Chromium without a window, if it is installed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000000", "--dump-dom",
]  # fmt: skip
HARNESS = """<script>
  const problems = [];
  addEventListener("error", e => problems.push(e.message));
  addEventListener("unhandledrejection", e => problems.push(String(e.reason)));
  const run = async () => { ACTIONS };
  run().then(value => ({value}), error => ({error: String(error)})).then(found => parent.postMessage(JSON.stringify({...found, problems}), "*"));
</script></body>"""
# Chromium's own window is never narrower than 500 pixels, and less high than it is told: a frame has the size of a telephone to the pixel.
FRAME = """<!doctype html><iframe src="page.html" style="width: {}px; height: {}px; border: 0"></iframe><script>
  addEventListener("message", e => {{ const out = document.createElement("pre"); out.id = "result"; out.textContent = e.data; document.body.append(out); }});
</script>"""


def act(page: str, actions: str, folder: Path, size: tuple[int, int] = (1200, 800)) -> Any:
    """What ``actions`` (the body of an async function) return in the loaded ``page``; an error that the page meets fails the test."""
    assert BROWSER is not None
    (folder / "page.html").write_text(page.replace("</body>", HARNESS.replace("ACTIONS", actions)), encoding="utf-8")
    path = folder / "frame.html"
    path.write_text(FRAME.format(*size), encoding="utf-8")
    command = [BROWSER, *FLAGS, "--window-size={},{}".format(*size), f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    result = json.loads(html.unescape(found[1]))
    assert result["problems"] == []
    assert "error" not in result, result
    return result["value"]
