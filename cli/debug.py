"""`headwork debug`: the failing case, to run and to take apart."""

import os
import sys
from pathlib import Path

from headwork.cli.check import show
from headwork.cli.grader import grader
from headwork.cli.lookup import one_exercise, workspace
from headwork.cli.say import FAULT, NOT_PASSED, PASSED, Stop, as_json, code, in_words, note, working
from headwork.cli.targets import in_workspace, must_exist
from headwork.grading.report import Report
from headwork.grading.submission import Unreadable

UNRUN = ("not_started", "missing", "blocked", "grader_fault")  # there is no failing case to show


def run(word: str, *, pdb: bool, seed: int, json: bool) -> int:
    id = one_exercise(word)
    [target] = found = in_workspace(workspace(), [id])
    must_exist(found)
    try:
        submission = target.read()
    except Unreadable as problem:
        raise Stop(str(problem)) from None
    with working("Looking for the failing case…"), grader([id.partition(".")[0]], seed=seed) as grading:
        report = grading.grade(submission, [id])
    [verdict] = report.verdicts
    if json:
        text = ""
        if verdict.checks and not verdict.passed:
            from headwork.cli.snippet import snippet

            text = snippet(verdict, os.path.relpath(target.path), seed)
        as_json({"exercise": id, "status": verdict.status, "snippet": text})
        return PASSED if verdict.passed else FAULT if report.faulty else NOT_PASSED
    if verdict.passed:
        in_words(f"{id} passes: there is nothing to debug.")
        return PASSED
    if verdict.status in UNRUN or (not verdict.checks and verdict.status != "forbidden"):
        show(report)
        return FAULT if report.faulty else NOT_PASSED
    from headwork.cli.snippet import snippet

    text = snippet(verdict, os.path.relpath(target.path), seed)
    if pdb:
        return inspect(text, report)
    code(text)
    note("Save it with `headwork debug ... > debug.py`, or add --pdb to stop where it raises.")
    return NOT_PASSED


def inspect(text: str, report: Report) -> int:
    """Runs the snippet here and opens pdb where it raises."""
    import linecache
    import pdb
    import traceback

    show(report)
    name = "<headwork debug>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    sys.path.insert(0, str(Path.cwd()))
    try:
        exec(compile(text, name, "exec"), {"__name__": "debug"})
    except Exception as error:
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        pdb.post_mortem(error.__traceback__)
    else:
        note("It raised nothing, so there is nowhere to stop: put `breakpoint()` into your code, and run this again.")
    return NOT_PASSED
