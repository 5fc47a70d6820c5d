"""Reports for tests: a usual one, a grader's fault, what could not be read, and what a hostile learner writes."""

from typing import get_args

from hypothesis import strategies as st

from headwork.grading.report import CheckResult, Report, Status, Verdict

ATTENTION = Verdict(
    "gpt2.attention",
    "failed",
    1,
    4,
    "The pattern is not zero above the diagonal.",
    (
        CheckResult("each row of the pattern sums to one", True),
        CheckResult("no position looks ahead", False, 2, "0.25 at query 0, key 1", "three tokens"),
        CheckResult("gradients reach every head", None),
    ),
    "This mask is applied after the softmax.",
    "expected [1.0, 0.0]\ngot      [0.5, 0.5]",
    ("computed in float32",),
    "shape [bold]2[/bold]\n\x1b[31mred\x1b[0m\n",
    "exercises.py",
    41,
    0.25,
)
REPORT = Report(
    "ada/exercises.py",
    (
        Verdict("gpt2.layer_norm", "passed", 2, 2, notes=("computed in float32",), seconds=0.5),
        ATTENTION,
        Verdict("gpt2.block", "blocked", 0, 3, "This waits for gpt2.attention."),
        Verdict("gpt2.top_p", "not_started", 0, 1.5),
    ),
    seed=7,
    isolation="bubblewrap",
    versions={"torch": "2.6", "headwork": "0.1.0"},
)
FAULTY = Report("eve.py", (Verdict("gpt2.layer_norm", "grader_fault", 0, 2, "worker lost"),))
PROBLEM = Report("bob.zip", (), problem="the archive holds 12 notebooks; hand in one")
HOSTILE = (
    "[bold red]x[/]\x1b[31m\x1b]0;title\x07\x9b2J<script>alert(1)</script>]]>&amp;\r\n::error::x\0\ud800\u202e%0A,:=1+1"
)


def hostile_report(status: Status, said: str = HOSTILE) -> Report:
    check = CheckResult(said, False, 1, said, said)
    verdict = Verdict(said or "x", status, 0, 1, said, (check,), said, said, (said,), said, said, 1)
    return Report(said, (verdict,), 0, said, {"torch": said}, said)


texts = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from(["\x1b", "[", "]", "0;", "m", "\x9b", "\x9d", "\r", "\n", "\0", "\ud800", "/", "a"])).map(
        "".join
    ),
)
reports = st.builds(hostile_report, st.sampled_from(get_args(Status)), texts)
