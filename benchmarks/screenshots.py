"""Pictures of every page as a browser shows it: `python benchmarks/screenshots.py FOLDER [desk-light ...]`, and the
README's three: `python benchmarks/screenshots.py --readme`.

By day and by night, on a desk and on a phone, before and after checks. Prints what is too wide, and every request that
left the machine.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from headwork.chapters.course import chapter
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Verdict
from headwork.tests.browser import PRINTS, RIGHT, SENTENCE, SIZES, SLOW, WRONG, Visit, chromium, served, visiting

ATTENTION_PATTERN = """\
def attention_pattern(q, k):
    scores = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / q.shape[-1] ** 0.5
    return scores.masked_fill(scores.new_ones(scores.shape[-2:]).triu(1).bool(), -1e9).softmax(-1)
"""


README = Path(__file__).parent.parent / "docs"
INTO_VIEW = "each => each.scrollIntoView({block: 'end'})"
TEXTS = (
    "tensors.rearrange_images",
    "tensors.batched_logsumexp",
    "gpt2.embed",
    "gpt2.top_p",
    "induction.run_with_hooks",
)


class Tour:
    """One visitor's way through the pages, with a picture at each stop."""

    def __init__(self, visit: Visit, folder: Path, name: str, size: str = "desk"):
        self.visit, self.page, self.folder, self.name, self.size = visit, visit.page, folder, name, size
        self.stops = 0

    def picture(self, what: str, of: str = "", whole: bool = False) -> None:
        """`of`: what is to be seen, at the top of the picture."""
        if of:
            self.page.locator(of).last.evaluate("each => each.scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(700)
        self.stops += 1
        file = self.folder / f"{self.name}-{self.stops:02}-{what}.png"
        if whole:  # what scrolls is within the page
            width = self.page.viewport_size["width"]
            self.page.set_viewport_size({"width": width, "height": SIZES["desk"][1] * 3})
        self.page.screenshot(path=file)
        self.page.set_viewport_size(dict(zip(("width", "height"), SIZES[self.size], strict=True)))
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide:
            print(f"{file.name}: {wide} px too wide")

    def map(self) -> None:
        self.page.goto(self.visit.url)
        self.page.locator(".st-key-continue a").wait_for()
        self.picture("map", whole=True)

    def texts(self) -> None:
        for id in (
            "tensors.rearrange_images",
            "tensors.diagonals",
            "gpt2.embed",
            "gpt2.top_p",
            "induction.run_with_hooks",
        ):
            self.visit.chapter(id)
            self.visit.side("Text")
            self.picture(id)
        self.page.goto(f"{self.visit.url}/?exercise=gpt2.nowhere")
        self.visit.arrives()
        self.picture("unknown-address")

    def reading(self) -> None:
        self.visit.chapter("gpt2.layer_norm")
        self.visit.side("Text")
        self.picture("chapter")
        self.page.locator("header, .st-key-top").get_by_role("button").first.click()
        self.picture("contents")
        self.page.keyboard.press("Escape")
        self.page.get_by_text("Show the answer").click()
        self.picture("predict", '[class*="st-key-predict"]')

    def writing(self) -> None:
        self.visit.side("Exercise")
        self.picture("exercise", ".st-key-writing")
        self.visit.check(WRONG)
        self.visit.sees(SENTENCE)
        self.picture("wrong")
        self.picture("diagnosis", ".hw-verdict")
        self.page.get_by_text("What your code printed").click()
        self.picture("printed", ".hw-lines")
        self.visit.check(WRONG.replace("self.eps).sqrt", "self.epsilon).sqrt"))
        self.visit.sees("It raises")
        self.picture("raised", ".hw-verdict")
        self.visit.check(SLOW)
        self.page.get_by_role("button", name="Stop").wait_for()
        self.picture("running", ".hw-running")
        self.page.get_by_role("button", name="Stop").click()
        self.visit.sees("Stopped after")
        self.picture("stopped", ".hw-verdict")
        self.visit.check(RIGHT)
        self.visit.sees("All checks pass.")
        self.picture("right", ".hw-verdict")

    def looking_back(self) -> None:
        self.page.get_by_text("Earlier texts").click()
        self.picture("attempts", '[class*="st-key-attempts"]')
        self.page.get_by_role("button", name="Show the reference").click()
        self.page.get_by_role("tab", name="From mine to it").click()
        self.picture("reference", '[data-testid="stTabs"]')
        self.page.get_by_role("button", name="Files").click()
        file = {"name": "mine.py", "mimeType": "text/x-python", "buffer": b"x = 1\n\ndef top_p(logits): ...\n"}
        self.page.locator('input[type="file"]').set_input_files(file)
        self.visit.sees("What was there before")
        self.picture("files")
        self.page.keyboard.press("Escape")
        self.page.get_by_role("button", name="Start again").click()
        self.picture("start-again")

    def figure(self) -> None:
        self.visit.chapter("gpt2.attention_pattern")
        self.visit.side("Exercise")
        self.visit.check(ATTENTION_PATTERN)
        self.visit.sees("All checks pass.")
        self.visit.side("Text")
        self.page.locator('[class*="st-key-figure"] svg.marks').wait_for()
        self.picture("figure", '[class*="st-key-figure"]')


def tour(browser: Browser, size: str, scheme: str, folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        served(Path(home)) as url,
        visiting(browser, url, size, scheme) as visit,
    ):
        stops = Tour(visit, folder, f"{size}-{scheme}", size)
        stops.map()
        stops.texts()
        stops.reading()
        stops.writing()
        stops.looking_back()
        stops.figure()
        stops.map()
        for each in visit.left:
            print(f"{stops.name}: LEFT THE MACHINE: {each}")


def broken(browser: Browser, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "gradebook.sqlite").write_text("no database " * 100)
        with served(Path(home)) as url, visiting(browser, url) as visit:
            visit.page.goto(url)
            visit.sees("is not a gradebook")
            Tour(visit, folder, "broken").picture("gradebook")


def for_the_readme(browser: Browser, folder: Path) -> None:
    """The map of somebody who has come some way, an exercise and its diagnosis, and a phone at night."""
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as url:
        with Gradebook.open(Path(home) / "gradebook.sqlite") as book:
            for each in [*chapter("tensors").exercises, chapter("gpt2").exercises[0]]:
                number = book.submit(ME, Submission("draft", (Unit("draft.py", "x = 1"),)), [each.id])
                book.record(number, Report("draft", (Verdict(each.id, "passed", each.points, each.points),)))
        with visiting(browser, url) as visit:
            visit.chapter("gpt2.layer_norm")
            visit.check(WRONG.replace(PRINTS, ""))
            visit.sees(SENTENCE)
            visit.page.get_by_text("What to write").click()
            visit.page.wait_for_timeout(1000)
            visit.page.locator(".st-key-top").scroll_into_view_if_needed()
            visit.page.locator(".hw-verdict").evaluate(INTO_VIEW)
            visit.page.wait_for_timeout(500)
            visit.page.screenshot(path=folder / "exercise.png")
            visit.page.goto(url)
            visit.page.locator(".st-key-continue a").wait_for()
            visit.page.wait_for_timeout(1000)
            visit.page.screenshot(path=folder / "map.png")
        with visiting(browser, url, "phone", "dark", device_scale_factor=1.5) as visit:
            visit.chapter("gpt2.layer_norm")
            visit.side("Exercise")
            visit.page.locator(".hw-verdict").evaluate(INTO_VIEW)
            visit.page.wait_for_timeout(1000)
            visit.page.screenshot(path=folder / "phone.png")


def small(file: Path) -> None:
    """Fewer colours, for pictures that are downloaded with the repository."""
    Image.open(file).convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        file, optimize=True
    )


def main(folder: Path, wanted: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        if folder == Path("--readme"):
            for_the_readme(browser, README)
            for file in README.glob("*.png"):
                small(file)
            return
        folder.mkdir(parents=True, exist_ok=True)
        for size in SIZES:
            for scheme in ("light", "dark"):
                if not wanted or f"{size}-{scheme}" in wanted:
                    tour(browser, size, scheme, folder)
        broken(browser, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
