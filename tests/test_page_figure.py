"""A figure whose picture is clicked: the click turns its knobs, and the knobs turn the picture."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect, sync_playwright

from headwork.grading.render import charts
from headwork.tests.browser import CHROMIUM, chromium, served, visiting

HERE = Path(__file__)
APP = "import streamlit as st\napp = st.App({page!r})\n"


def test_a_chart_with_a_pick_is_known_wherever_the_pick_stands() -> None:
    import altair

    chart = charts.heads(torch.eye(3), 1, 2)
    plain = charts.heatmap(torch.eye(3), ["a", "b", "c"], ["a", "b", "c"])
    assert charts.can_be_picked(chart)
    assert charts.can_be_picked(altair.hconcat(chart, plain))
    assert charts.can_be_picked(plain.add_params(charts.pick("layer")))
    assert not charts.can_be_picked(plain)
    assert not charts.can_be_picked(plain.interactive())
    assert not charts.can_be_picked("a story")


def test_the_framed_head_is_the_chosen_one_and_shades_reach_the_largest_score() -> None:
    spec = charts.heads(torch.tensor([[0.5, 2.0]]), 0, 1).to_dict()
    assert "datum.layer == 0 && datum.head == 1" in str(spec["layer"][1])
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == [0, 2.0]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    app = tmp_path / "app.py"
    app.write_text(APP.format(page=str(HERE.with_name("figure_page.py"))))
    with served(tmp_path / "home", app=app) as url, sync_playwright() as playwright:
        browser: Browser = chromium(playwright)
        with visiting(browser, url) as visit:
            visit.page.goto(url)
            yield visit.page
            visit.is_calm()


def shows(page: Page, layer: int, head: int) -> None:
    for name, value in (("layer", layer), ("head", head)):
        expect(page.get_by_role("slider", name=name)).to_have_value(str(value))
    framed = page.locator(f'svg.marks path[stroke="{charts.AMBER}"]')

    expect(framed.first).to_have_attribute("aria-label", re.compile(f"head: {head}; layer: {layer}"))
    expect(framed).to_have_count(1)  # for a moment, the picture before it is there too


def click(page: Page, layer: int, head: int) -> None:
    page.locator(f'svg.marks path[aria-label^="head: {head}; layer: {layer};"]').first.click()


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium")
def test_a_click_on_a_head_turns_the_knobs_and_the_knobs_stay_in_charge(page: Page) -> None:
    page.locator("svg.marks").wait_for()
    shows(page, 0, 0)
    click(page, 2, 3)
    shows(page, 2, 3)
    page.get_by_role("slider", name="layer").press("ArrowLeft")
    shows(page, 1, 3)
    click(page, 2, 3)  # what was clicked before can be again
    shows(page, 2, 3)
    click(page, 0, 1)
    shows(page, 0, 1)
