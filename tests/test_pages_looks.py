"""The palette: every text can be read on every ground it stands on, by day and by night (WCAG 2.2, level AA)."""

import re

import pytest

from headwork.streamlit_app import looks

ENOUGH = 4.5
ENOUGH_FOR_SIGNS = 3.0  # of what is no text: the borders of fields, the mark of the focus


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("at", [0, 1], ids=["day", "night"])
def test_every_ink_can_be_read_on_every_paper(at: int) -> None:
    theme = (looks.DAY, looks.NIGHT)[at]
    inks = {
        **{name: pair[at] for name, pair in looks.INK.items()},
        "text": theme["textColor"],
        "link": theme["linkColor"],
    }
    grounds = {"background": theme["backgroundColor"], "panel": looks.PAPER["panel"][at]}
    for ground, paper in grounds.items():
        for name, ink in inks.items():
            assert contrast(ink, paper) >= ENOUGH, (name, ground)


@pytest.mark.parametrize("at", [0, 1], ids=["day", "night"])
def test_changed_lines_and_buttons_can_be_read(at: int) -> None:
    theme = (looks.DAY, looks.NIGHT)[at]
    for paper in ("added", "removed"):
        assert contrast(theme["textColor"], looks.PAPER[paper][at]) >= ENOUGH
    assert contrast(looks.ON_PRIMARY, theme["primaryColor"]) >= ENOUGH


@pytest.mark.parametrize("at", [0, 1], ids=["day", "night"])
def test_the_mark_of_the_focus_is_seen(at: int) -> None:
    theme = (looks.DAY, looks.NIGHT)[at]
    assert contrast(looks.INK["accent"][at], theme["backgroundColor"]) >= ENOUGH_FOR_SIGNS


def test_the_sheet_uses_no_colour_that_has_no_name_and_asks_for_nothing_elsewhere() -> None:
    sheet = looks.STYLE.read_text(encoding="utf-8")
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", sheet)
    assert not re.findall(r"url\(|@import|https?:", sheet)
    used = set(re.findall(r"var\(--([\w-]+)", sheet))
    known = {*looks.INK, *looks.PAPER, "primary", "on-primary", *re.findall(r"--([\w-]+):", sheet)}
    assert used <= known


def test_motion_is_reduced_where_that_is_asked_for() -> None:
    assert "prefers-reduced-motion: reduce" in looks.style()
