"""The code editor in a real browser: what is typed arrives, nothing is lost, and nothing is asked of other machines."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect, sync_playwright

from headwork.streamlit_app import serve
from headwork.tests.browser import CONTRAST

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
APP = """
import streamlit as st
from headwork.streamlit_app.components import assets
app = st.App({page!r}, routes=[assets.route()])
"""
START = "import torch\nfrom torch import nn\n\n\ndef half(x):\n    return x\n"
SAVED = 0.6  # seconds after the last key

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The address of a server of the page in `editor_page.py`."""
    (folder / "app.py").write_text(APP.format(page=str(Path(__file__).with_name("editor_page.py"))))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(folder / "app.py") if each == str(serve.APP) else each for each in serve.command(port)]
    settings = {**os.environ, **serve.environment("127.0.0.1")}
    with subprocess.Popen(command, cwd=folder, env=settings) as process:
        try:
            url = serve.address("127.0.0.1", port)
            until = time.monotonic() + 60
            while time.monotonic() < until and process.poll() is None:
                try:
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Opened:
    """One view of the page."""

    def __init__(self, page: Page, url: str, file: Path) -> None:
        self.page, self.url, self.file = page, url, file
        self.code = page.locator(".cm-content")
        self.asked: list[Request] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.asked.append(request))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def go(self, **how: str) -> "Opened":
        self.page.goto(f"{self.url}/?{urlencode({'name': self.file.stem, **how})}")
        return self

    def ready(self) -> "Opened":
        expect(self.code).to_be_visible(timeout=30_000)
        return self

    def text(self) -> str:
        """Of the whole field; only short ones are in the page whole."""
        return "\n".join(line.rstrip("\n") for line in self.page.locator(".cm-line").all_inner_texts())

    def at_end(self) -> "Opened":
        self.code.click()
        self.page.keyboard.press("Control+End")
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def log(self, what: str) -> list[str]:
        file = self.file.with_suffix(".log")
        noted = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [value for kind, value in noted if kind == what]

    def ends(self, text: str) -> bool:
        return self.file.read_text().endswith(text)

    def redraw(self) -> None:
        drawn = len(self.log("drawn"))
        self.page.get_by_role("button", name="Draw anew").click()
        wait(lambda: len(self.log("drawn")) > drawn)
        self.page.wait_for_timeout(150)


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def context_for(browser: Browser) -> Callable[[str, bool], BrowserContext]:
    """A browser by day or by night, on a desk or a phone; it keeps what it has fetched."""

    @cache
    def context_for(scheme: str, phone: bool) -> BrowserContext:
        width, height = (390, 844) if phone else (1280, 900)
        screen = {"width": width, "height": height}
        return browser.new_context(viewport=screen, color_scheme=scheme, has_touch=phone, is_mobile=phone)

    return context_for


@pytest.fixture
def opening(
    context_for: Callable[[str, bool], BrowserContext], server: str, folder: Path, request: pytest.FixtureRequest
) -> Iterator[Open]:
    """Opens the page with a text; `later` leaves its opening to the test."""
    pages = []

    def opening(
        text: str = START, scheme: str = "light", phone: bool = False, later: bool = False, **how: str
    ) -> Opened:
        pages.append(context_for(scheme, phone).new_page())
        file = folder / f"page{abs(hash(request.node.name))}{len(pages)}.py"
        file.write_text(text)
        opened = Opened(pages[-1], server, file)
        return opened if later else opened.go(**how).ready()

    yield opening
    for page in pages:
        page.close()


def wait(true: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_is_typed_arrives_after_a_pause_and_only_the_field_is_drawn_again(opening: Open) -> None:
    opened = opening()
    drawn = opened.page.locator("#drawn").inner_text()
    opened.at_end()
    opened.page.keyboard.type("def more(x):\nreturn x")
    wait(lambda: opened.file.read_text() == START + "def more(x):\n    return x")
    assert opened.log("change") == [START + "def more(x):\n    return x"]
    assert opened.page.locator("#drawn").inner_text() == drawn
    assert opened.errors == []


@pytest.mark.parametrize("how", ["restless", "saves nothing"])
def test_typing_fast_while_the_page_is_drawn_again_loses_nothing(opening: Open, how: str) -> None:
    """A restless page is drawn again every quarter of a second, and is one pause behind with what it gives."""
    opened = opening(how=how).at_end()
    written = "".join(f"a{number} = 'letters and (brackets)'\n" for number in range(9))
    for start in range(0, len(written), 30):
        opened.page.keyboard.type(written[start : start + 30])
        opened.page.wait_for_timeout(700 if start % 90 == 0 else 50)  # some pauses are long enough to be sent
    wait(lambda: opened.log("change")[-1:] == [START + written])
    assert len(opened.log("change")) > 3
    if how == "restless":
        drawn = len(opened.log("drawn"))
        wait(lambda: len(opened.log("drawn")) > max(drawn, 8))
    assert opened.text() == START + written


def test_the_cursor_stays_while_the_page_is_drawn_again(opening: Open) -> None:
    opened = opening(how="restless")
    opened.code.click()
    opened.press("Control+Home", "ArrowDown", "End")
    for word in (", Tensor", "  # and", " so", " on"):
        opened.page.keyboard.type(word)
        opened.page.wait_for_timeout(300)
    assert opened.text().split("\n")[1] == "from torch import nn, Tensor  # and so on"


def test_undo_and_redo(opening: Open) -> None:
    opened = opening().at_end()
    opened.page.keyboard.type("x = 1")
    opened.press("Control+z")
    assert opened.text() == START
    opened.press("Control+y")
    assert opened.text() == START + "x = 1"


def test_tab_indents_by_four_and_escape_tab_leaves_the_field(opening: Open) -> None:
    opened = opening("a\nb\n")
    opened.code.click()
    opened.press("Control+a", "Tab")
    assert opened.text() == "    a\n    b\n"
    opened.press("Shift+Tab")
    assert opened.text() == "a\nb\n"
    expect(opened.code).to_be_focused()
    opened.press("Escape", "Tab")
    expect(opened.page.get_by_role("button", name="Plain text field")).to_be_focused()
    note = opened.page.locator(f"#{opened.code.get_attribute('aria-describedby')}")
    assert "Esc, then Tab, leaves the field" in note.inner_text()
    expect(opened.page.get_by_role("textbox", name="Your code")).to_be_visible()


def test_completion_by_keyboard(opening: Open) -> None:
    opened = opening("import torch as t\nimport torch.nn.functional as F\n").at_end()

    def completed(typed: str, label: str) -> str:
        opened.page.keyboard.type(typed)
        expect(opened.page.locator(".cm-tooltip-autocomplete li").get_by_text(label, exact=True).first).to_be_visible()
        opened.page.wait_for_timeout(200)  # until the list is that of the last letter
        opened.press("Tab")
        last = opened.text().split("\n")[-1]
        opened.press("Enter")
        return last

    assert completed("a = t.log_soft", "log_softmax") == "a = t.log_softmax"
    assert completed("b = F.scaled_d", "scaled_dot_product_attention") == "b = F.scaled_dot_product_attention"
    assert completed("residual_stream = b.masked_f", "masked_fill") == "residual_stream = b.masked_fill"
    assert completed("c = residu", "residual_stream") == "c = residual_stream"
    opened.page.keyboard.type("class A:\ndef f(self):\nself.width = 1\n")
    assert completed("self.wid", "width") == "        self.width"


def test_return_ends_a_line_even_while_completions_are_shown(opening: Open) -> None:
    opened = opening("import torch\n").at_end()
    opened.page.keyboard.type("y = torch.so")
    expect(opened.page.locator(".cm-tooltip-autocomplete")).to_be_visible()
    opened.press("Enter")
    assert opened.text() == "import torch\ny = torch.so\n"
    opened.page.keyboard.type("# no torch.so")
    opened.page.wait_for_timeout(300)
    expect(opened.page.locator(".cm-tooltip-autocomplete")).not_to_be_visible()


def test_control_enter_asks_for_one_check_of_what_is_there(opening: Open) -> None:
    opened = opening().at_end()
    opened.page.keyboard.type("x = 1")
    opened.press("Control+Enter")
    wait(lambda: opened.log("check"))
    assert opened.log("check") == [START + "x = 1"]
    opened.redraw()
    opened.page.keyboard.type("nowhere")
    opened.redraw()
    assert len(opened.log("check")) == 1
    opened.at_end()
    opened.press("Control+Enter")  # with nothing changed
    wait(lambda: len(opened.log("check")) == 2)
    opened.page.keyboard.type("\ny = 2")
    wait(lambda: opened.file.read_text().endswith("y = 2"))
    opened.redraw()
    assert len(opened.log("check")) == 2
    assert opened.log("change") == [START + "x = 1", START + "x = 1\ny = 2"]


def test_control_s_and_leaving_the_field_save_at_once(opening: Open) -> None:
    opened = opening().at_end()
    for text, leave in (("a = 1", lambda: opened.press("Control+s")), ("b = 1", lambda: opened.code.blur())):
        opened.page.keyboard.type(text)
        leave()
        wait(partial(opened.ends, text), SAVED - 0.05)
    opened.redraw()
    assert len(opened.log("change")) == 2


def test_a_text_that_changed_on_disk_is_shown_and_can_be_undone(opening: Open) -> None:
    opened = opening(how="redraws").at_end()
    opened.page.keyboard.type("mine = 1")
    wait(lambda: opened.file.read_text() == START + "mine = 1")
    theirs = "import math\n" + START + "mine = 1"
    opened.file.write_text(theirs)
    wait(lambda: opened.text() == theirs)
    opened.page.keyboard.type("!")  # the cursor is where it was in the text
    assert opened.text() == theirs + "!"
    opened.press("Control+z", "Control+z")
    assert opened.text() == START + "mine = 1"
    opened.press("Control+z")
    assert opened.text() == START
    wait(lambda: opened.file.read_text() == START)
    opened.file.write_text(theirs)  # as it was once before
    wait(lambda: opened.text() == theirs)


def test_two_thousand_lines_are_pasted_and_edited_without_a_wait(opening: Open) -> None:
    opened = opening().at_end()
    many = "".join(f"def f{number}(x):\n    return torch.softmax(x, {number})  # why\n" for number in range(1000))
    seconds = opened.page.evaluate(
        """async text => {
            const data = new DataTransfer()
            data.setData("text/plain", text)
            const code = document.querySelector(".cm-content")
            const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
            const begun = performance.now()
            code.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))
            await frame()
            return (performance.now() - begun) / 1000
        }""",
        many,
    )
    assert seconds < 1  # under 0.1 on an idle machine
    begun = time.monotonic()
    opened.page.keyboard.type("the_end = 1")
    assert time.monotonic() - begun < 2
    wait(lambda: opened.file.read_text() == START + many + "the_end = 1")


EVIL = "<script>document.title = 'caught'</script><img src=x onerror=\"document.title = 'caught'\">"


def test_text_and_markers_are_never_html(opening: Open) -> None:
    opened = opening(f"a = 1\nb = '{EVIL}'\n", markers=json.dumps([[2, EVIL], [99, "beyond"], [-3, "before"]]))
    markers = opened.page.locator(".cm-lint-marker")
    assert markers.count() == 3
    markers.nth(1).hover()
    expect(opened.page.locator(".cm-diagnosticText").first).to_have_text(EVIL)
    opened.redraw()
    assert "caught" not in opened.page.title()
    assert opened.page.locator(".hw-code img[src], .hw-code script").count() == 0


def test_markers_and_line_numbers_count_from_the_files_line(opening: Open) -> None:
    opened = opening("a = 1\nb = a.c\n", first="40", markers=json.dumps([[41, "AttributeError: no c"]]))
    numbers = opened.page.locator(".cm-lineNumbers .cm-gutterElement").all_inner_texts()
    assert numbers[1:] == ["40", "41", "42"]
    opened.page.get_by_text("b = a.c").hover()
    expect(opened.page.locator(".cm-diagnosticText")).to_have_text("AttributeError: no c")


ALL_KINDS = '''\
"""Words."""
import torch  # why

@property
class A(torch.nn.Module):
    def f(self, x: int = 1) -> None:
        return print(f"{x!r}\\n", self.w.mean(x, None), True)
'''


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast_enough(opening: Open, scheme: str) -> None:
    opened = opening(ALL_KINDS, scheme=scheme, markers=json.dumps([[2, "odd"]])).at_end()
    opened.page.keyboard.type("    x = torch.soft")
    expect(opened.page.locator(".cm-tooltip-autocomplete")).to_be_visible()
    opened.press("ArrowDown")
    seen = opened.page.evaluate(CONTRAST, ".hw-code, .hw-keys")
    opened.press("Escape", "Control+f")
    opened.page.keyboard.type("torch")
    opened.page.locator(".cm-lint-marker").hover()
    expect(opened.page.locator(".cm-diagnosticText")).to_be_visible()
    seen |= opened.page.evaluate(CONTRAST, ".hw-code, .hw-keys")
    assert len(seen) > 15
    assert {what: ratio for what, ratio in seen.items() if ratio < 4.5} == {}


def test_nothing_is_asked_of_other_machines_and_the_script_comes_once(opening: Open) -> None:
    opened = opening().at_end()
    opened.page.keyboard.type("x = torch.soft")
    opened.redraw()
    assert [each.url for each in opened.asked if not each.url.startswith((opened.url, "data:", "blob:"))] == []
    scripts = [each for each in opened.asked if "headwork-assets" in each.url]
    assert len(scripts) == 1
    headers = scripts[0].response().all_headers()
    assert "immutable" in headers["cache-control"]
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"].startswith("text/javascript")


def test_an_edit_and_a_drawing_of_the_page_send_little(opening: Open) -> None:
    opened = opening(later=True)
    frames: list[int] = []
    opened.page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
    opened.go().ready().at_end()
    opened.page.wait_for_timeout(300)
    frames.clear()
    opened.page.keyboard.type("x")
    wait(lambda: opened.file.read_text().endswith("x"))
    opened.page.wait_for_timeout(300)
    edit = sum(frames)
    frames.clear()
    opened.redraw()
    print(f"received: {edit} bytes after an edit, {sum(frames)} with the page", file=sys.stderr)
    assert 0 < edit < 8_000


def test_without_its_script_a_plain_field_takes_the_editors_place(opening: Open) -> None:
    opened = opening(later=True)
    opened.page.route("**/headwork-assets/**", lambda route: route.abort())
    opened.go()
    field = opened.page.get_by_role("textbox", name="Your code")
    expect(opened.page.get_by_text("could not be loaded")).to_be_visible(timeout=10_000)
    assert field.input_value() == START
    field.fill(START + "plain = 1")
    field.blur()
    wait(lambda: opened.file.read_text() == START + "plain = 1")
    opened.page.unroute("**/headwork-assets/**")
    opened.page.get_by_role("button", name="Code editor").click()
    opened.ready()
    assert opened.text() == START + "plain = 1"


def test_a_script_that_never_comes_is_given_up_after_three_seconds(opening: Open) -> None:
    opened = opening(later=True)
    opened.page.route("**/headwork-assets/**", lambda route: None)
    opened.go()
    expect(opened.page.locator(".hw-code pre")).to_have_text(START)  # to be read meanwhile
    expect(opened.page.locator("textarea")).to_be_visible(timeout=10_000)


def test_the_plain_field_can_be_chosen_and_left_with_nothing_lost(opening: Open) -> None:
    opened = opening(how="saves nothing").at_end()
    opened.page.keyboard.type("a = 1")
    opened.page.get_by_role("button", name="Plain text field").click()
    field = opened.page.locator("textarea")
    expect(field).to_have_value(START + "a = 1")
    field.fill(START + "b = 1")
    opened.page.get_by_role("button", name="Code editor").click()
    opened.ready()
    assert opened.text() == START + "b = 1"


def test_a_field_that_was_not_shown_for_a_while_is_as_it_was(opening: Open) -> None:
    opened = opening(how="saves nothing").at_end()
    opened.page.keyboard.type("a = 1")
    opened.page.get_by_text("Elsewhere").click()
    expect(opened.code).not_to_be_visible()
    opened.page.get_by_text("Elsewhere").click()
    opened.ready()
    assert opened.text() == START + "a = 1"


def test_it_fits_a_phone_and_its_letters_are_large_enough_not_to_be_zoomed(opening: Open) -> None:
    opened = opening("x = 1  # " + "long " * 60, phone=True)
    assert size(opened.code, "fontSize") >= 16
    assert opened.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    opened.code.tap()
    opened.press("Control+f")
    assert size(opened.page.locator(".cm-textfield").first, "fontSize") >= 16


def test_its_height_follows_its_text_within_bounds(opening: Open) -> None:
    opened = opening("x")
    row = size(opened.code, "lineHeight")
    for count, rows in ((2, 14.6), (20, 20.6), (200, 30.6)):
        opened.file.write_text("\n".join("x" * count))
        opened.redraw()
        height = opened.page.locator(".cm-editor").evaluate_handle("each => each")
        opened.page.wait_for_function(
            "([editor, due, off]) => Math.abs(editor.getBoundingClientRect().height - due) < off",
            arg=[height, rows * row, row / 2],
        )


def size(where: Locator, which: str) -> float:
    return float(where.evaluate(f"each => parseFloat(getComputedStyle(each).{which})"))


def test_a_field_to_read_cannot_be_changed(opening: Open) -> None:
    opened = opening(how="read only").at_end()
    opened.page.keyboard.type("x")
    assert opened.text() == START
    assert opened.code.get_attribute("aria-readonly") == "true"
