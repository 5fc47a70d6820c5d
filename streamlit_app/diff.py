"""What changed from one text to another, as HTML. All text is escaped; changes have signs, not colour alone."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from html import escape

from headwork.grading.render.clean import clean

AROUND = 2  # lines alike that are shown on each side of a change


def html(before: str, after: str, label: str) -> str:
    """The lines of both texts, changed ones marked; what is alike and far from any change is left out."""
    old, new = ([clean(line) for line in text.strip("\n").split("\n")] for text in (before, after))
    if old == new:
        return '<p class="hw-about">The two texts are the same.</p>'
    rows = "".join(_rows(old, new))
    return f'<div class="hw-diff" role="group" aria-label="{escape(label)}" tabindex="0">{rows}</div>'


def _rows(old: list[str], new: list[str]) -> Iterator[str]:
    end = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        yield _skipped(group[0][1] - end)
        for kind, i, j, k, m in group:
            if kind == "equal":
                yield from (f"<div>  {escape(line)}</div>" for line in old[i:j])
            else:
                yield from (f'<div class="hw-removed"><del>- {escape(line)}</del></div>' for line in old[i:j])
                yield from (f'<div class="hw-added"><ins>+ {escape(line)}</ins></div>' for line in new[k:m])
        end = group[-1][2]
    yield _skipped(len(old) - end)


def _skipped(lines: int) -> str:
    said = f"{lines} lines alike" if lines > 1 else "1 line alike"
    return f'<div class="hw-skipped">  ⋯ {said}</div>' if lines else ""
