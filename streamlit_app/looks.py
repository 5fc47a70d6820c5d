"""How the page looks: a quiet page of text, with type and colours of its own, by day and by night.

Fonts are those of the reader's machine and those that Streamlit serves itself, so nothing is fetched from elsewhere.
"""

TEXT = '"Source Serif", "Source Serif 4", "Iowan Old Style", Palatino, Georgia, serif'
CODE = '"Source Code Pro", ui-monospace, "Cascadia Code", Menlo, Consolas, monospace'

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

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" fill="#2f5d8a"/>'
    '<path d="M5 3v10M5 8.5C6.5 6.5 11 6.5 11 9.5V13" stroke="#fbfaf7" stroke-width="2" fill="none"/></svg>'
)

CSS = """
[data-testid="stMainBlockContainer"] { max-width: 90rem; padding: 1.25rem 2.5rem 4rem; }
[data-testid="stHeader"] { display: none; }
.stApp { --good: light-dark(#2e7048, #84c79b); --bad: light-dark(#a2402f, #ea9a87);
  --wait: light-dark(#6b6558, #b0aa9c);
  --line: light-dark(#dcd8cf, #363a40); --quiet: light-dark(#66635c, #a5a29a); }

.hw-brand { font: 600 1.15rem/1.2 TEXT; margin: 0; display: flex; gap: .75rem; align-items: baseline; }
.hw-brand small { font: 400 .9rem/1.2 "Source Sans", sans-serif; color: var(--quiet);
  font-variant-numeric: tabular-nums; }

.st-key-reading [data-testid="stMarkdownContainer"], .st-key-task [data-testid="stMarkdownContainer"] {
  font-family: TEXT; font-size: 1.075rem; line-height: 1.62; max-width: 40rem; hyphens: auto; }
.st-key-reading :is(h1, h2, h3), .st-key-writing h2 { font-family: TEXT; font-weight: 600; letter-spacing: -.005em; }
.st-key-reading h1 { font-size: 2.1rem; line-height: 1.2; padding: .25rem 0 .5rem; }
.st-key-reading h2, .st-key-writing h2 { font-size: 1.45rem; padding: 1rem 0 .25rem; }
.st-key-writing h2 { padding: 0; }
.st-key-reading table { font-size: .95rem; }
.st-key-reading [data-testid="stMarkdownContainer"] > :is(ul, ol) { margin-bottom: 1rem; }
.st-key-reading .hw-lead { font: italic 1.15rem/1.55 TEXT; color: var(--quiet); max-width: 40rem; margin: 0; }
.hw-about { color: var(--quiet); font-size: .9rem; margin: 0; }
.hw-here { border-top: 1px solid var(--line); color: var(--quiet); font-size: .9rem; padding-top: .75rem; margin: 0;
  max-width: 40rem; }
.katex { font-size: 1.06em; }
.katex-display { overflow-x: auto; overflow-y: hidden; padding: .25rem 0; }
.st-key-reading [data-testid="stMarkdownContainer"] { overflow-wrap: break-word; }
.st-key-reading [data-testid="stMarkdownContainer"] table { display: block; overflow-x: auto; }
[class*="st-key-predict"] { border-left: 3px solid light-dark(#2f5d8a, #8fb8de); padding-left: 1.1rem;
  max-width: 40rem; }
[class*="st-key-figure"] { max-width: 40rem; border-block: 1px solid var(--line); padding: .9rem 0 .6rem;
  overflow-x: auto; }
[class*="st-key-figure"] [data-testid="stWidgetLabel"] p { font: 400 .85rem/1.3 "Source Sans", sans-serif;
  color: var(--quiet); }
.hw-caption code { font: .92em CODE; background: none; padding: 0; color: inherit; }
.hw-story { font: 1.15rem/1.6 TEXT; margin: .25rem 0 .75rem; white-space: pre-line; overflow-wrap: anywhere; }
.hw-about code { font: .92em CODE; background: none; padding: 0; color: inherit; }
.hw-caption { color: var(--quiet); font-size: .9rem; line-height: 1.45; margin: 0; }

.st-key-writing textarea { font: .875rem/1.55 CODE; tab-size: 4; white-space: pre; overflow-x: auto; }
.st-key-writing [data-testid="stCode"] code { font-size: .82rem; line-height: 1.5; }

.hw-verdict { border-left: 4px solid var(--tone); padding: .15rem 0 .15rem 1rem; --tone: var(--wait); }
.hw-verdict.hw-passed { --tone: var(--good); }
.hw-verdict.hw-failed { --tone: var(--bad); }
.hw-head { display: flex; justify-content: space-between; margin: 0 0 .35rem; font-size: .9rem; }
.hw-head span:first-child { color: var(--tone); font-weight: 600; }
.hw-head span:last-child { color: var(--quiet); font-variant-numeric: tabular-nums; }
.hw-sentence { font: 600 1.25rem/1.4 TEXT; margin: 0 0 .75rem; overflow-wrap: anywhere; white-space: pre-line; }
.hw-verdict ul { list-style: none; margin: 0; padding: 0; font-size: .925rem; }
.hw-verdict li { display: flex; gap: .6rem; margin: 0; padding: .2rem 0; line-height: 1.4; }
.hw-verdict li b { color: var(--wait); font-weight: 600; }
.hw-verdict li.hw-passed b { color: var(--good); }
.hw-verdict li.hw-failed b { color: var(--bad); }
.hw-verdict small { display: block; color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; }
.hw-verdict code { font: .9em CODE; background: none; padding: 0; color: inherit; }
.hw-note { color: var(--quiet); font-size: .85rem; margin: .35rem 0 0; }

@media (min-width: 901px) {
  .st-key-side { display: none; }
  [data-testid="stColumn"]:has(> [data-testid="stVerticalBlock"] .st-key-writing) { position: sticky; top: 0;
    align-self: flex-start; max-height: 100vh; overflow-y: auto; padding: .75rem .25rem 1rem 0; scrollbar-width: thin; }
}
@media (max-width: 900px) {
  [data-testid="stMainBlockContainer"] { padding: 1rem 1.1rem 3rem; }
  .st-key-page [data-testid="stHorizontalBlock"]:has(.st-key-reading) { flex-direction: column; }
  .st-key-page [data-testid="stHorizontalBlock"]:has(.st-key-reading) > [data-testid="stColumn"] { width: 100%;
    min-width: 100%; }
  .st-key-reading h1 { font-size: 1.75rem; }
  .st-key-writing textarea { font-size: 1rem; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
"""


def style() -> str:
    """The page's style sheet, as an element."""
    return f"<style>{CSS.replace('TEXT', TEXT).replace('CODE', CODE)}</style>"


def on_a_phone_hide(side: str) -> str:
    """A style that leaves only one of the two sides, 'reading' or 'writing', on a narrow screen."""
    return f"<style>@media (max-width: 900px) {{ .st-key-{side} {{ display: none; }} }}</style>"
