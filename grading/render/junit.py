"""JUnit XML, as continuous integration reads it."""

from xml.etree import ElementTree

from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.gradescope import plain
from headwork.grading.render.words import headline
from headwork.grading.report import Report, Status, Verdict

KINDS: dict[Status, str] = {
    "failed": "failure",
    "missing": "failure",
    "forbidden": "failure",
    "error": "error",
    "timed_out": "error",
    "out_of_memory": "error",
    "grader_fault": "error",
    "not_started": "skipped",
    "blocked": "skipped",
}


def junit(report: Report) -> str:
    """One suite a submission, one case an exercise. A submission that could not be read is a case with an error."""
    kinds = [KINDS.get(verdict.status, "") for verdict in report.verdicts]
    problem = one_line(report.problem)
    counts = {
        "tests": str(len(kinds) + bool(problem)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error") + bool(problem)),
        "skipped": str(kinds.count("skipped")),
        "time": f"{sum(verdict.seconds for verdict in report.verdicts):.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "headwork", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": one_line(report.submission), **counts})
    properties = ElementTree.SubElement(suite, "properties")
    known = {"seed": str(report.seed), "isolation": report.isolation, **dict(sorted(report.versions.items()))}
    for name, value in known.items():
        ElementTree.SubElement(properties, "property", {"name": one_line(name), "value": one_line(value)})
    if problem:
        case = ElementTree.SubElement(suite, "testcase", {"classname": "headwork", "name": "can be read"})
        ElementTree.SubElement(case, "error", {"type": "unreadable", "message": problem})
    for verdict, kind in zip(report.verdicts, kinds, strict=True):
        _case(suite, verdict, kind)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, verdict: Verdict, kind: str) -> None:
    chapter, _, name = one_line(verdict.exercise).rpartition(".")
    about = {"classname": chapter or "headwork", "name": name, "time": f"{verdict.seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", about)
    if kind:
        said = ElementTree.SubElement(case, kind, {"message": one_line(headline(verdict))})
        if kind != "skipped":
            said.set("type", verdict.status)
            said.text = plain(verdict)
    if verdict.printed:
        ElementTree.SubElement(case, "system-out").text = clean(verdict.printed)
