"""The pages in a real browser: a learner's whole story, by keyboard too, and nothing that leaves the machine."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from headwork.tests.browser import (
    CHROMIUM,
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

UP_AND_UP = "status of 404"  # Streamlit asks /chapter/_stcore for its server before it asks /_stcore

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


def is_calm(visit: Visit) -> None:
    """Nothing left the machine, nothing a learner wrote ran, nothing is wider than the screen."""
    assert visit.left == []
    assert [each for each in visit.errors if UP_AND_UP not in each] == []
    assert visit.page.title() != "caught"
    assert visit.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_the_whole_story(browser: Browser, url: str, size: str, scheme: str) -> None:
    with visiting(browser, url, size, scheme) as visit:
        page = visit.page
        page.goto(url)
        page.locator(".st-key-continue a").wait_for(timeout=WAIT)
        is_calm(visit)
        page.get_by_role("link", name="LayerNorm").first.click()
        page.locator(".st-key-reading h1").wait_for(timeout=WAIT)
        assert "exercise=gpt2.layer_norm" in page.url
        visit.side("Exercise")
        visit.check(WRONG)
        visit.sees(SENTENCE)
        expect(page.locator(".hw-first")).to_contain_text("output[0, 0, 0]")
        page.get_by_text("What your code printed").click()
        visit.sees("<script>document.title")
        is_calm(visit)
        visit.check(RIGHT)
        visit.sees("All checks pass.")
        page.reload()
        page.locator(".st-key-reading h1").wait_for(timeout=WAIT)
        visit.side("Exercise")
        visit.sees("All checks pass.")
        expect(page.locator(".st-key-writing textarea")).to_have_value(RIGHT, timeout=WAIT)
        page.get_by_text("Earlier texts").click()
        visit.sees("Take this text back")
        page.get_by_role("button", name="Show the reference").click()
        page.get_by_role("tab", name="From mine to it").click()
        page.locator(".hw-diff").last.wait_for(timeout=WAIT)
        is_calm(visit)


def test_what_was_written_and_where_outlives_the_server(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path / "home", port) as url, visiting(browser, url) as visit:
        visit.chapter("gpt2.top_p")
        visit.write("kept = 1")
        visit.page.keyboard.press("Tab")
        visit.sees("of 6")
        time.sleep(0.5)
    with served(tmp_path / "home", port) as url, visiting(browser, url) as visit:
        visit.page.goto(f"{url}/chapter")
        expect(visit.page.locator("textarea")).to_have_value("kept = 1", timeout=WAIT)
        assert visit.page.locator(".st-key-page").count() == 1  # within the frame, though no page was seen before
        assert visit.page.url.endswith("?exercise=gpt2.top_p")
        visit.page.get_by_role("link", name="Headwork").click()
        visit.sees("Continue: Nucleus sampling")
        is_calm(visit)


def test_the_keyboard_is_enough(browser: Browser, url: str) -> None:
    with visiting(browser, url) as visit:
        page = visit.page
        visit.chapter("gpt2.layer_norm")
        skip = page.get_by_text("Skip to the editor")
        page.locator("textarea").wait_for(timeout=WAIT)
        for _ in range(3):  # Streamlit has a link of its own, and the page as a whole
            if not skip.evaluate("each => each === document.activeElement"):
                page.keyboard.press("Tab")
        expect(skip).to_be_focused()
        assert skip.bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("textarea")).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(WRONG)
        page.keyboard.press("Control+Enter")
        visit.sees(SENTENCE)
        for _ in range(6):
            page.keyboard.press("Tab")
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", page.evaluate("document.activeElement.outerHTML")


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
        is_calm(visit)


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
        expect(page.locator("textarea")).to_have_value("def attention_pattern(q, k): ...\n")
        with page.expect_download() as download:
            page.get_by_role("button", name="exercises.py").click()
        assert "def attention_pattern(q, k): ..." in Path(download.value.path()).read_text()
        visit.chapter("induction.run_with_hooks")
        is_calm(visit)
