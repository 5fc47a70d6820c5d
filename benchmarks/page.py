"""How quick the pages are in a real browser, on a warm server: `python benchmarks/page.py`.

- first visit: from asking for a chapter until its title and formulas are there, by a browser that was never here
- first paint: the same by one that was (bar 2 s)
- rerun: from leaving the field until the page has been drawn anew (bar 200 ms)
- verdict: from Ctrl+Enter until the verdict is there (bar 1 s)
- map: from asking for the map until its last exercise is there (bar 2 s)
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from headwork.tests.browser import RIGHT, SENTENCE, WRONG, Visit, chromium, served, visiting

TIMES = 7
BARS = {"first paint": 2.0, "rerun": 0.2, "verdict": 1.0, "map": 2.0}

UNTIL_DRAWN = """there => new Promise(done => {
  const start = performance.now()
  const look = () => document.querySelector('.st-key-writing').textContent.includes('has changed since') === there
    ? done(performance.now() - start) : requestAnimationFrame(look)
  document.activeElement.blur()
  look()
})"""
UNTIL_SAID = """words => new Promise(done => {
  const start = performance.now()
  const look = () => [...document.querySelectorAll('.hw-sentence')].some(each => each.textContent.includes(words))
    ? done(performance.now() - start) : requestAnimationFrame(look)
  look()
})"""


def first_paint(visit: Visit) -> float:
    visit.page.goto(f"{visit.url}/chapter?exercise=gpt2.layer_norm")
    visit.page.locator(".st-key-reading .katex:visible").first.wait_for()
    return float(visit.page.evaluate("performance.now()")) / 1000


def never_here(browser: Browser, url: str) -> float:
    with visiting(browser, url) as visit:
        return first_paint(visit)


def the_map(visit: Visit) -> float:
    visit.page.goto(visit.url)
    visit.page.locator('[class*="st-key-rows-"] a').last.wait_for()
    return float(visit.page.evaluate("performance.now()")) / 1000


def reruns(visit: Visit) -> list[float]:
    """The page says whether the text is still that of the last check, which `verdicts` has made."""
    visit.chapter()
    times = []
    for number in range(TIMES):
        visit.write(RIGHT + "# not checked\n" * (number % 2 == 0))
        times.append(visit.page.evaluate(UNTIL_DRAWN, number % 2 == 0) / 1000)
    return times


def verdicts(visit: Visit) -> list[float]:
    visit.chapter()
    times = []
    for text, said in [(WRONG, SENTENCE), (RIGHT, "All checks pass.")] * (TIMES // 2 + 1):
        visit.write(text)
        visit.page.wait_for_timeout(400)  # as people pause
        visit.page.keyboard.press("Control+Enter")
        times.append(visit.page.evaluate(UNTIL_SAID, said) / 1000)
        visit.page.wait_for_timeout(400)
    return times[1:]  # the worker was still loading torch


def report(name: str, times: list[float]) -> None:
    median, worst = statistics.median(times), max(times)
    measured = f"median {median * 1000:5.0f} ms, worst of {len(times)} {worst * 1000:5.0f} ms"
    bar = f", bar {BARS[name] * 1000:.0f} ms" if name in BARS else ""
    print(f"{name:12} {measured}{bar}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as url, sync_playwright() as playwright:
        browser = chromium(playwright)

        with visiting(browser, url) as visit:
            report("verdict", verdicts(visit))
        with visiting(browser, url) as visit:
            report("rerun", reruns(visit))
            report("first paint", [first_paint(visit) for _ in range(TIMES)])
            report("map", [the_map(visit) for _ in range(TIMES)])
        report("first visit", [never_here(browser, url) for _ in range(TIMES)])
        browser.close()


if __name__ == "__main__":
    main()
