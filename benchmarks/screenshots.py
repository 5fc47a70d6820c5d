"""Pictures of the page as a browser shows it: `python benchmarks/screenshots.py FOLDER`.

By day and by night, on a desk and on a phone, before and after checks. Prints every request that left the machine.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from headwork.streamlit_app import serve

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
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


@contextmanager
def served() -> Iterator[str]:
    """The page's address, in an empty home and outside any workspace."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        settings = {**os.environ, **serve.environment("127.0.0.1"), "HEADWORK_HOME": home}
        server = subprocess.Popen(serve.command(port), env=settings, cwd=home)
        try:
            url = serve.address("127.0.0.1", port)
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{url}/_stcore/health").close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            server.wait()


def opened(browser: Browser, url: str, size: str, scheme: str) -> Page:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.on("request", lambda each: None if each.url.startswith((url, "data:", "blob:")) else print("LEFT:", each.url))
    page.on("websocket", lambda each: None if "127.0.0.1" in each.url else print("LEFT:", each.url))
    page.on("console", lambda each: print("console:", each.text) if each.type == "error" else None)
    return page


def take(page: Page, folder: Path, name: str) -> None:
    page.wait_for_timeout(800)
    page.screenshot(path=folder / f"{name}.png")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    print(f"{name}: {wide} px too wide, title {page.title()!r}")


def tour(browser: Browser, url: str, size: str, scheme: str, folder: Path) -> None:
    page, name = opened(browser, url, size, scheme), f"{size}-{scheme}"
    page.goto(f"{url}/?exercise=gpt2.layer_norm")
    page.locator(".st-key-reading h1").wait_for(timeout=60_000)
    take(page, folder, f"{name}-1-start")
    page.get_by_text("Why divide by").scroll_into_view_if_needed()
    take(page, folder, f"{name}-2-maths")
    page.get_by_text("Show the answer").click()
    page.get_by_text("Show the answer").scroll_into_view_if_needed()
    take(page, folder, f"{name}-3-predict")
    if size == "phone":
        page.get_by_test_id("stSegmentedControlButton").get_by_text("Exercise").or_(
            page.get_by_role("radio", name="Exercise")
        ).first.click()
    editor = page.locator(".st-key-writing .cm-content")
    editor.fill(WRONG)
    started = time.perf_counter()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("This variance divides by n - 1; GPT-2 divides by n.").wait_for(timeout=60_000)
    print(f"{name}: checked in {time.perf_counter() - started:.2f} s")
    page.wait_for_timeout(500)
    page.get_by_text("What your code printed").click()
    take(page, folder, f"{name}-4-wrong")
    page.get_by_text("What your code printed").scroll_into_view_if_needed()
    take(page, folder, f"{name}-5-printed")
    editor.fill(WRONG.replace("var(-1, keepdim", "var(-1, correction=0, keepdim"))
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("All checks pass").or_(page.locator(".hw-passed")).first.wait_for(timeout=60_000)
    take(page, folder, f"{name}-6-right")
    page.reload()
    page.locator(".st-key-reading h1").wait_for(timeout=60_000)
    page.goto(f"{url}/?exercise=gpt2.top_p")
    page.get_by_text("The boundary.").first.wait_for(timeout=60_000)
    take(page, folder, f"{name}-7-table")
    page.context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=OPTIONS)
        for size in SIZES:
            for scheme in ("light", "dark"):
                tour(browser, url, size, scheme, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
