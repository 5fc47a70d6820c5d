"""Learners' text made safe to show: no escape sequences, no control characters, nothing that reorders a line."""

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours and cursor movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links
    r"|\x1b[ -/]*[0-~]?"
)
# Controls other than tab and newline, what reorders text, and what no encoding or XML takes.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_LONE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text as a terminal would leave it on screen, in plain characters; newlines and tabs stay."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    if "\r" in text:  # a progress bar writes over its line
        text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return _LONE.sub("\ufffd", _UNSHOWABLE.sub("", text))


def one_line(text: str) -> str:
    """The text cleaned, with every run of white space a single space."""
    return " ".join(clean(text).split())
