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

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from headwork.streamlit_app import serve

CHROMIUM = "/usr/bin/chromium"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no other machine
]
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
WAIT = 60_000  # milliseconds: a cold server loads torch first
expect.set_options(timeout=WAIT)

PRINTS = """\
        print("<script>document.title = 'caught'</script> **bold** ![](http://example.com/x.png)")
"""
WRONG = f"""\
import torch
from torch import Tensor, nn


class LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual: Tensor) -> Tensor:
{PRINTS}\
        mean = residual.mean(-1, keepdim=True)
        variance = residual.var(-1, keepdim=True)
        return (residual - mean) / (variance + self.eps).sqrt() * self.w + self.b
"""
RIGHT = WRONG.replace("var(-1, keepdim", "var(-1, correction=0, keepdim")
SLOW = WRONG.replace("        mean =", "        import time\n        time.sleep(60)\n        mean =")
UP_AND_UP = "status of 404"  # Streamlit asks /chapter/_stcore for its server before it asks /_stcore
PASTE = """(field, text) => {
  const data = new DataTransfer()
  data.setData("text/plain", text)
  field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))
}"""
HOLDS = """text => {
  const field = document.querySelector(".st-key-writing :is(.cm-content, textarea)")
  const lines = [...field?.querySelectorAll(".cm-line") ?? []]
  const held = lines.length ? lines.map(each => each.textContent).join("\\n") : field?.value
  return held?.trimEnd() === text
}"""
CONTRAST = """inside => {
  const channels = colour => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const over = (top, below) => top.slice(0, 3).map((each, at) => each * top[3] / 255 + below[at] * (1 - top[3] / 255))
  const ground = element => {
    if (!element) return [255, 255, 255]
    const own = channels(getComputedStyle(element).backgroundColor)
    return own[3] === 255 ? own.slice(0, 3) : over(own, ground(element.parentElement))
  }
  const light = colour => {
    const [r, g, b] = colour.map(each => each / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const found = {}
  for (const element of document.querySelectorAll(inside.split(", ").map(each => each + " *").join(", "))) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue
    if (!element.checkVisibility({visibilityProperty: true})) continue
    const below = ground(element)
    const [a, b] = [light(over(channels(getComputedStyle(element).color), below)), light(below)]
    const what = `${element.className || element.tagName} ${getComputedStyle(element).color}`
    found[what] = Math.min(found[what] ?? 99, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05))
  }
  return found
}"""
SENTENCE = "This variance divides by n - 1; GPT-2 divides by n."


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(home: Path, port: int | None = None, app: Path = serve.APP, plain: bool = False) -> Iterator[str]:
    """The address of the pages, for a learner whose gradebook is in `home`, outside any workspace.

    `plain`: with text areas in the place of the code editor.
    """
    port = port or free_port()
    home.mkdir(exist_ok=True)
    settings = {**os.environ, **serve.environment("127.0.0.1"), "HEADWORK_HOME": str(home)}
    settings["HEADWORK_PLAIN_EDITOR"] = "1" if plain else ""
    command = [str(app) if each == str(serve.APP) else each for each in serve.command(port)]
    server = subprocess.Popen(command, env=settings, cwd=home, stdout=subprocess.DEVNULL)
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
        self.arrives()

    def arrives(self) -> None:
        """At an exercise, with all of its text."""
        self.page.locator(".st-key-ways a").first.wait_for(state="attached", timeout=WAIT)

    def side(self, name: str) -> None:
        """On a phone, the text or the exercise."""
        if self.page.viewport_size == dict(zip(("width", "height"), SIZES["phone"], strict=True)):
            self.page.locator(".st-key-side").get_by_text(name, exact=True).click()

    @property
    def code(self) -> Locator:
        """The field that the learner writes in."""
        return self.page.locator(".st-key-writing").locator(".cm-content, textarea")

    def write(self, text: str) -> None:
        """Puts a text in the place of the present one, in one piece, as if it was pasted."""
        self.code.wait_for(timeout=WAIT)
        if self.code.evaluate("each => each.matches('textarea')"):
            self.code.fill(text)
            return
        self.code.click()
        self.page.keyboard.press("Control+a")
        self.code.evaluate(PASTE, text)

    def holds(self, text: str) -> None:
        """Waits until this is all that stands in the field."""
        self.code.wait_for(timeout=WAIT)
        self.page.wait_for_function(HOLDS, arg=text.rstrip("\n"), timeout=WAIT)

    def check(self, text: str) -> None:
        self.write(text)
        self.page.keyboard.press("Control+Enter")

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=WAIT)

    def is_calm(self) -> None:
        """Nothing left the machine, nothing a learner wrote ran, nothing is wider than the screen."""
        assert self.left == []
        assert [each for each in self.errors if UP_AND_UP not in each] == []
        assert self.page.title() != "caught"
        assert self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@contextmanager
def visiting(browser: Browser, url: str, size: str = "desk", scheme: str = "light", **more: object) -> Iterator[Visit]:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
    context.set_default_timeout(WAIT)
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
