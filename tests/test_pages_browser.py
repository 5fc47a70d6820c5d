"""The pages in a real browser: a learner's whole story, by keyboard too, and nothing that leaves the machine."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from headwork.gradebook.store import ME, Gradebook
from headwork.streamlit_app import serve
from headwork.tests.browser import (
    CHROMIUM,
    CONTRAST,
    RIGHT,
    SENTENCE,
    SLOW,
    WAIT,
    WRONG,
    Visit,
    chromium,
    free_port,
    served,
    visiting,
)

ATTENTION_PATTERN = """\
def attention_pattern(q, k):
    scores = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / q.shape[-1] ** 0.5
    return scores.masked_fill(scores.new_ones(scores.shape[-2:]).triu(1).bool(), -1e9).softmax(-1)
"""

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = chromium(playwright)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("story")) as address:
        yield address


def mend(visit: Visit) -> None:
    """Types what is missing in the WRONG answer, as people do."""
    visit.code.click()
    visit.page.keyboard.press("Control+Home")
    for _ in range(WRONG.split("variance = ")[0].count("\n")):
        visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("End")
    for _ in "keepdim=True)":
        visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.type("correction=0, ")
    visit.page.keyboard.press("Control+Enter")


def can_be_read(visit: Visit) -> None:
    """All text has the contrast of WCAG 2.2, level AA, as the browser has drawn it."""
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(300)  # until colours have faded in
    ratios = visit.page.evaluate(CONTRAST, ".st-key-page")
    assert len(ratios) > 8
    assert {what: ratio for what, ratio in ratios.items() if ratio < 4.5} == {}


def tells_of_the_mistake(visit: Visit) -> None:
    visit.sees(SENTENCE)
    expect(visit.page.locator(".hw-first")).to_contain_text("output[0, 0, 0]")
    visit.page.get_by_text("What your code printed").click()
    visit.sees("<script>document.title")
    visit.is_calm()


@pytest.mark.parametrize("size, scheme", [("desk", "light"), ("desk", "dark"), ("phone", "light"), ("phone", "dark")])
def test_the_whole_story(browser: Browser, url: str, size: str, scheme: str) -> None:
    with visiting(browser, url, size, scheme) as visit:
        page = visit.page
        page.goto(url)
        page.locator(".st-key-continue a").wait_for(timeout=WAIT)
        visit.is_calm()
        can_be_read(visit)
        page.get_by_role("link", name="LayerNorm").first.click()
        visit.arrives()
        assert "exercise=gpt2.layer_norm" in page.url
        visit.side("Exercise")
        visit.check(WRONG)
        tells_of_the_mistake(visit)
        mend(visit)
        visit.sees("All checks pass.")
        page.reload()
        visit.side("Exercise")
        visit.sees("All checks pass.")
        visit.holds(RIGHT)
        page.get_by_text("Earlier texts").click()
        visit.sees("Take this text back")
        page.get_by_role("button", name="Show the reference").click()
        page.get_by_role("tab", name="From mine to it").click()
        page.locator(".hw-diff").last.wait_for(timeout=WAIT)
        can_be_read(visit)
        visit.is_calm()


def test_the_story_in_plain_text_areas(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path, plain=True) as url, visiting(browser, url) as visit:
        visit.chapter()
        visit.check(WRONG)
        tells_of_the_mistake(visit)
        visit.check(RIGHT)
        visit.sees("All checks pass.")
        visit.page.reload()
        visit.sees("All checks pass.")
        visit.holds(RIGHT)
        visit.is_calm()


def test_a_server_that_goes_and_comes_back_loses_nothing(browser: Browser, tmp_path: Path) -> None:
    """Not what was kept, not what was typed while it was away, not the place in the chapter."""
    port = free_port()
    with visiting(browser, serve.address("127.0.0.1", port)) as visit:
        with served(tmp_path / "home", port):
            visit.chapter("gpt2.top_p")
            visit.write("kept = 1\n")
            visit.page.wait_for_timeout(1200)  # longer than the pause after which it is sent
        visit.page.keyboard.type("away = 2")
        expect(visit.page.get_by_role("dialog")).to_be_visible()
        with served(tmp_path / "home", port) as url:
            expect(visit.page.get_by_role("dialog")).to_have_count(
                0, timeout=WAIT
            )  # in which Streamlit says it is away
            visit.code.focus()  # which the dialog had taken, and gives back in its own time
            visit.page.keyboard.type("\nback = 3")
            saved = Gradebook.open(tmp_path / "home" / "gradebook.sqlite")
            until = time.monotonic() + WAIT / 1000
            while "back" not in saved.draft(ME, "gpt2.top_p").text and time.monotonic() < until:
                time.sleep(0.2)
            assert saved.draft(ME, "gpt2.top_p").text == "kept = 1\naway = 2\nback = 3"
            visit.holds("kept = 1\naway = 2\nback = 3")
            with visiting(browser, url) as another:
                another.page.goto(f"{url}/chapter")
                another.holds("kept = 1\naway = 2\nback = 3")
                assert another.page.locator(".st-key-page").count() == 1  # within the frame, though no page was seen
                assert another.page.url.endswith("?exercise=gpt2.top_p")
                another.page.get_by_role("link", name="Headwork").click()
                another.sees("Continue: Nucleus sampling")
                another.is_calm()
        assert visit.left == []


def test_the_keyboard_is_enough(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visit:
        page = visit.page
        visit.chapter("gpt2.layer_norm")
        skip = page.get_by_text("Skip to the editor")
        visit.code.wait_for(timeout=WAIT)
        for _ in range(3):  # Streamlit has a link of its own, and the page as a whole
            if not skip.evaluate("each => each === document.activeElement"):
                page.keyboard.press("Tab")
        expect(skip).to_be_focused()
        assert skip.bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(visit.code).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(WRONG)
        page.keyboard.press("Control+Enter")
        visit.sees(SENTENCE)
        page.keyboard.press("Escape")  # from here on, Tab leaves the field
        for _ in range(7):
            page.keyboard.press("Tab")
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", page.evaluate("document.activeElement.outerHTML")


def test_what_stands_beside_the_text_follows_it(browser: Browser, url: str) -> None:
    """The report says whether it is about the present text, and the line of an exception is marked in it."""
    with visiting(browser, url) as visit:
        page = visit.page
        visit.chapter()
        visit.check(RIGHT.replace("self.eps).sqrt", "self.epsilon).sqrt"))
        visit.sees("It raises AttributeError")
        expect(page.locator(".cm-lint-marker")).to_be_visible()
        expect(page.locator(".cm-lintRange")).to_contain_text("self.epsilon")
        assert page.get_by_text("Your code has changed since").count() == 0
        visit.code.click()
        page.keyboard.type("#")
        visit.sees("Your code has changed since this check.")
        expect(page.locator(".cm-lint-marker")).to_have_count(0)
        page.keyboard.press("Backspace")
        expect(page.get_by_text("Your code has changed since")).to_have_count(0)
        visit.is_calm()


def test_the_contents_open_at_the_present_place(browser: Browser, url: str) -> None:
    with visiting(browser, url, "phone") as visit:
        visit.chapter("gpt2.hidden_bug")
        visit.page.locator('[data-testid="stPopoverButton"]').first.click()
        expect(visit.page.locator('[class*="st-key-now-"]')).to_be_in_viewport()
        visit.is_calm()


def test_a_request_to_another_machine_would_be_seen_and_would_fail(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visit:
        visit.page.goto(url)
        tried = "each => fetch(each).then(() => 'came', () => 'failed')"
        for address in ("http://example.com/x", "http://192.0.2.1/x"):
            assert visit.page.evaluate(tried, address) == "failed"
        assert visit.left == ["http://example.com/x", "http://192.0.2.1/x"]


def test_a_long_check_leaves_the_page_alive_and_can_be_stopped(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visit:
        page = visit.page
        visit.chapter("gpt2.layer_norm")
        visit.check(SLOW)
        visit.sees("Case 1 of")
        page.get_by_text("Show the answer").click()
        visit.sees("Thrown away are the mean")
        page.reload()
        visit.sees("Case 1 of")
        start = time.monotonic()
        page.get_by_role("button", name="Stop").click()
        visit.sees("this does not count as an attempt")
        assert time.monotonic() - start < 3
        visit.is_calm()


def test_figures_files_and_the_other_chapter_ask_nobody_else(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visit:
        page = visit.page
        visit.chapter("gpt2.attention_pattern")
        visit.check(ATTENTION_PATTERN)
        visit.sees("All checks pass.")
        page.locator('[class*="st-key-figure"] svg.marks').wait_for(timeout=WAIT)
        page.get_by_role("button", name="Files").click()
        cell = {"cell_type": "code", "source": "def attention_pattern(q, k): ...\nEVIL = '<script>'", "metadata": {}}
        book = json.dumps({"cells": [cell], "metadata": {"<script>": 1}, "nbformat": 4, "nbformat_minor": 5})
        file = {"name": "<script>alert(1)<script>.ipynb", "mimeType": "application/json", "buffer": book.encode()}
        page.locator('input[type="file"]').set_input_files(file)
        visit.sees("EVIL (line 2 of cell 1)")
        visit.holds("def attention_pattern(q, k): ...")
        with page.expect_download() as download:
            page.get_by_role("button", name="exercises.py").click()
        assert "def attention_pattern(q, k): ..." in Path(download.value.path()).read_text()
        visit.chapter("induction.run_with_hooks")
        visit.is_calm()
