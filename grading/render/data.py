"""The report as data: `headwork.report/1`, whose schema is `grading/schemas/report.schema.json`."""

import json

from headwork.grading.report import Report


def as_json(report: Report) -> str:
    """The same report is always the same text, in ASCII; `Report.from_json(json.loads(text))` gives it back."""
    data = report.as_json()
    data["versions"] = dict(sorted(data["versions"].items()))
    return json.dumps(data, indent=2, allow_nan=False) + "\n"
