"""`headwork story`: the learner's own GPT-2 writes with a trained model's weights."""

from headwork.cli.grader import grader
from headwork.cli.lookup import workspace
from headwork.cli.say import NOT_PASSED, PASSED, Stop, as_json, in_words, working
from headwork.cli.targets import Target

FIGURE = "gpt2.story"


def run(file: str | None, *, prompt: str, p: float, seed: int, model: str, json: bool) -> int:
    """Raises Stop for what cannot be read or used."""
    from pathlib import Path

    from headwork.checkers import catalogue
    from headwork.checkers.gpt2.figures import story
    from headwork.cli.openai import provide
    from headwork.grading.figure import draw
    from headwork.grading.render.charts import NotDrawable, chart, credits
    from headwork.grading.resources import UnknownModel, folder_of
    from headwork.grading.submission import Unreadable

    target = Target(Path(file) if file else workspace().file("gpt2"), None)
    try:
        submission = target.read()
        provide(model)
        folder_of(model)
        settings = catalogue.figure(FIGURE).settings({"prompt": prompt, "p": p, "seed": seed})
        inputs = story(prompt, p, seed, model)
        with working("Your model is writing…", quiet=json), grader(["gpt2"]) as grading:
            drawn = draw(grading, submission, FIGURE, settings, inputs)
        if drawn.problem:
            raise Stop(drawn.problem)
        text = chart(drawn)
    except (Unreadable, UnknownModel, NotDrawable, ValueError, FileNotFoundError) as problem:
        raise Stop(str(problem)) from None
    if json:
        as_json({"story": text, "parts": drawn.values.get("used"), "seconds": drawn.values.get("seconds")})
    else:
        in_words(text)
        in_words(f"\n{credits(drawn)}", "dim")
    return PASSED if drawn.values.get("same") is not False else NOT_PASSED
