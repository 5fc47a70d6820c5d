"""A server of the pages and a browser that looks at them, for tests and benchmarks."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

from headwork.streamlit_app import serve

CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
WAIT = 60_000  # milliseconds: a cold server loads torch first

WRONG = """\
import torch
from torch import Tensor, nn


class LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual: Tensor) -> Tensor:
        print("<script>document.title = 'caught'</script> **bold** ![](http://example.com/x.png)")
        mean = residual.mean(-1, keepdim=True)
        variance = residual.var(-1, keepdim=True)
        return (residual - mean) / (variance + self.eps).sqrt() * self.w + self.b
"""
RIGHT = WRONG.replace("var(-1, keepdim", "var(-1, correction=0, keepdim")
SLOW = WRONG.replace("        mean =", "        import time\n        time.sleep(60)\n        mean =")
SENTENCE = "This variance divides by n - 1; GPT-2 divides by n."


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(home: Path, port: int | None = None) -> Iterator[str]:
    """The address of the pages, for a learner whose gradebook is in `home`, outside any workspace."""
    port = port or free_port()
    home.mkdir(exist_ok=True)
    settings = {
        **os.environ,
        **serve.environment("127.0.0.1"),
        "HEADWORK_HOME": str(home),
        "HEADWORK_PLAIN_EDITOR": "1",
    }
    server = subprocess.Popen(serve.command(port), env=settings, cwd=home, stdout=subprocess.DEVNULL)
    url = serve.address("127.0.0.1", port)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health").close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)


@dataclass
class Visit:
    """One visitor's page, what it asked of others, and what it complained of."""

    page: Page
    url: str
    left: list[str] = field(default_factory=list)  # addresses on other machines
    errors: list[str] = field(default_factory=list)

    def chapter(self, id: str = "gpt2.layer_norm") -> None:
        self.page.goto(f"{self.url}/?exercise={id}")
        self.page.locator(".st-key-reading h1, .st-key-reading h2").first.wait_for(timeout=WAIT)

    def side(self, name: str) -> None:
        """On a phone, the text or the exercise."""
        if self.page.viewport_size == dict(zip(("width", "height"), SIZES["phone"], strict=True)):
            self.page.locator(".st-key-side").get_by_text(name, exact=True).click()

    def write(self, text: str) -> None:
        self.page.locator(".st-key-writing textarea").fill(text)

    def check(self, text: str) -> None:
        self.write(text)
        self.page.keyboard.press("Control+Enter")

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=WAIT)


@contextmanager
def visiting(browser: Browser, url: str, size: str = "desk", scheme: str = "light", **more: object) -> Iterator[Visit]:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
    context.set_default_timeout(WAIT / 4)
    visit = Visit(context.new_page(), url)
    context.on("request", lambda each: _note(visit, each.url))
    visit.page.on("websocket", lambda each: _note(visit, each.url))
    visit.page.on("console", lambda each: visit.errors.append(each.text) if each.type == "error" else None)
    visit.page.on("pageerror", lambda each: visit.errors.append(str(each)))
    try:
        yield visit
    finally:
        context.close()


def _note(visit: Visit, address: str) -> None:
    own = (visit.url, visit.url.replace("http:", "ws:", 1), "data:", "blob:")
    if not address.startswith(own):
        visit.left.append(address)
