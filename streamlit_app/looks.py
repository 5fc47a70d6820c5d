"""How the pages look: quiet pages of text, with type and colours of their own, by day and by night.

Fonts are those of the reader's machine and those that Streamlit serves itself, so nothing is fetched from elsewhere.
"""

from functools import cache
from pathlib import Path

STYLE = Path(__file__).with_name("style.css")

DAY = {
    "primaryColor": "#2f5d8a",
    "backgroundColor": "#fbfaf7",
    "secondaryBackgroundColor": "#f1efe9",
    "textColor": "#26282b",
    "linkColor": "#2f5d8a",
    "borderColor": "#dcd8cf",
    "codeBackgroundColor": "#f1efe9",
    "codeTextColor": "#26282b",
}
NIGHT = {
    "primaryColor": "#4479ad",
    "backgroundColor": "#17191c",
    "secondaryBackgroundColor": "#202327",
    "textColor": "#dddbd5",
    "linkColor": "#8fb8de",
    "borderColor": "#363a40",
    "codeBackgroundColor": "#202327",
    "codeTextColor": "#dddbd5",
}
INK = {  # name in style.css -> by day, by night
    "accent": ("#2f5d8a", "#8fb8de"),
    "good": ("#2e7048", "#84c79b"),
    "bad": ("#a2402f", "#ea9a87"),
    "wait": ("#6b6558", "#b0aa9c"),
    "quiet": ("#66635c", "#a5a29a"),
}
PAPER = {
    "line": ("#dcd8cf", "#363a40"),
    "panel": ("#f1efe9", "#202327"),
    "added": ("#e2efe4", "#1e3326"),
    "removed": ("#f7e3de", "#3d2521"),
    "ground": ("#f0c987", "#7a5a1e"),
}
ON_PRIMARY = "#ffffff"

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" fill="#2f5d8a"/>'
    '<path d="M5 3v10M5 8.5C6.5 6.5 11 6.5 11 9.5V13" stroke="#fbfaf7" stroke-width="2" fill="none"/></svg>'
)


@cache
def style() -> str:
    """The pages' style sheet, as an element."""
    colours = {**INK, **PAPER, "primary": (DAY["primaryColor"], NIGHT["primaryColor"])}
    named = "".join(f"--{name}: light-dark({day}, {night}); " for name, (day, night) in colours.items())
    sheet = STYLE.read_text(encoding="utf-8")
    return f"<style>.stApp, [data-testid='stPopoverBody'] {{ {named}--on-primary: {ON_PRIMARY}; }}\n{sheet}</style>"


def on_a_phone_hide(side: str) -> str:
    """A style that leaves only one of the two sides, 'reading' or 'writing', on a narrow screen."""
    column = f'[data-testid="stColumn"]:has(> [data-testid="stVerticalBlock"] .st-key-{side})'
    return f"<style>@media (max-width: 900px) {{ {column} {{ display: none; }} }}</style>"
