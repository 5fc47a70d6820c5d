"""What the page knows of the text in one editor, and who of the two changed it last. Plain functions, no Streamlit.

Three texts are kept apart: the one that the page holds, the one that the browser was told to show, and the one that
came back from it. What came from the editor comes round again when the page has kept it; that is no news.
"""

import secrets
from dataclasses import dataclass, field
from time import monotonic

LAG = 5.0  # seconds in which a page may still give a text that the editor has sent, and has gone on from


@dataclass
class Memory:
    """One editor of one session."""

    given: str  # what the page holds: what it gave last, or has kept since
    shown: str  # what the browser was last told to show
    text: str  # what it holds, as far as is known
    version: str = field(default_factory=lambda: secrets.token_hex(6))  # of `shown`
    arrived: list[tuple[float, str]] = field(default_factory=list)  # of late, and when
    number: int = 0  # of the last message from the browser
    wants_check: bool = False
    wants_page: bool = False  # the page is to be drawn anew

    @classmethod
    def of(cls, text: str) -> "Memory":
        text = lines(text)
        return cls(text, text, text)

    def give(self, text: str) -> None:
        """The page's text. It is shown unless it is what the page held before or what the editor has just sent."""
        text = lines(text)
        self.arrived = [(when, each) for when, each in self.arrived if monotonic() - when < LAG]
        if _same(text, self.given) or any(_same(text, each) for _, each in self.arrived[:-1]):
            return
        self.given = text
        if not _same(text, self.text):
            self.show(text)

    def keep(self) -> None:
        """The page now holds what is in the editor."""
        self.given = self.text

    def show(self, text: str) -> None:
        """The browser is to show this, whatever it holds."""
        self.text = self.shown = lines(text)
        self.version = secrets.token_hex(6)
        self.number = 0
        self.arrived.clear()

    def receive(self, version: str, number: int, text: str, check: bool = False) -> bool:
        """A message from the browser. True when its text is new here.

        What was typed before the browser saw what it is to show does not count, nor does what a later message overtook.
        """
        if version != self.version or number <= self.number:
            return False
        self.number = number
        self.wants_check |= check
        text = lines(text)
        if text == self.text:
            return False
        self.text = text
        self.arrived.append((monotonic(), text))
        return True

    def take_check(self) -> bool:
        """True once after a check was asked for; to be called when the page is drawn."""
        wanted, self.wants_check, self.wants_page = self.wants_check, False, False
        return wanted


def lines(text: str) -> str:
    """With the line ends that the browser's editor has."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _same(one: str, other: str) -> bool:
    """Blank lines around a text are not news: files hold it without them."""
    return one.strip("\n") == other.strip("\n")
