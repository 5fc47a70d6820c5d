"""What it costs to grade a submission of five functions, beside a cold `pytest` run of the same checks.

    python benchmarks/grading.py [--runs 40]

Prints the median and 95th percentile of a warm grading, submissions a minute a core, CPU-seconds a submission
(the grader's own and the learner's process's) and the ratio to pytest. Exits 1 below the bars.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import headwork
from headwork.grading.dispatch import Grader
from headwork.grading.sandbox import Session, Setting
from headwork.grading.submission import read

FIVE = [f"gpt2.{name}" for name in ("layer_norm", "attention_pattern", "attention", "top_p", "train")]
SUBMISSION = Path(headwork.__file__).parent / "checkers/gpt2/alternatives/library.py"
MEDIAN_BAR, RATIO_BAR = 0.150, 10.0

PYTEST_FILE = """
import importlib.util, sys
import pytest, torch
torch.set_num_threads(1)
from headwork.checkers.catalogue import exercise
from headwork.grading.expect import known, probe_of
from headwork.grading.judge import judge
from headwork.grading.plan import gather
from headwork.grading.runner import put

spec = importlib.util.spec_from_file_location("submission", {submission!r})
submission = importlib.util.module_from_spec(spec)
spec.loader.exec_module(submission)

@pytest.mark.parametrize("id", {ids!r})
def test_exercise(id):
    ask, facts = exercise(id), known(id, 0, False, "cpu")
    seen = [gather(put(probe_of(ask), vars(submission), run.case, "cpu", set())) for run in facts.runs]
    for check in ask.list_of_checks:
        result, _ = judge(check, facts, seen, [])
        assert result.passed is not False, result.message
"""


def cpu_of_process(pid: int) -> float:
    """CPU-seconds of a process so far, by the scheduler's own count; 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError):
        return 0.0


def measure_grading(runs: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each warm grading."""
    spent = [0.0]
    close = Session.close

    def counting_close(session: Session) -> None:
        spent[0] += cpu_of_process(session.pid)
        close(session)

    Session.close = counting_close  # type: ignore[method-assign]
    walls, cpus = [], []
    submission = read(SUBMISSION)
    with Grader(slow=False) as grader:
        for run in range(runs + 3):
            spent[0] = 0
            wall, cpu = time.perf_counter(), time.process_time()
            report = grader.grade(submission, FIVE)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert report.passed, report
            if run >= 3:  # the first ones load and warm
                walls.append(wall)
                cpus.append(cpu + spent[0])
    return walls, cpus


def measure_pytest(runs: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of a cold `python -m pytest` over the same probes, cases and checks."""
    walls, cpus = [], []
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_submission.py"
        test.write_text(PYTEST_FILE.format(submission=str(SUBMISSION), ids=FIVE))
        for _ in range(runs):
            before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            walls.append(time.perf_counter() - wall)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return walls, cpus


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    walls, cpus = measure_grading(runs)
    cold_walls, cold_cpus = measure_pytest(5)
    ratio = median(cold_cpus) / median(cpus)
    print(f"isolation: {Setting.best().name}; five exercises a submission, {runs} submissions")
    print(f"wall: median {median(walls) * 1e3:.0f} ms, p95 {quantiles(walls, n=20)[-1] * 1e3:.0f} ms")
    print(f"CPU: median {median(cpus):.3f} s a submission, {60 / median(cpus):.0f} submissions a minute a core")
    print(f"cold pytest: median {median(cold_walls):.2f} s wall, {median(cold_cpus):.2f} CPU-s")
    print(f"CPU ratio, cold pytest to ours: {ratio:.1f}")
    good = median(walls) <= MEDIAN_BAR and ratio >= RATIO_BAR
    print(
        f"bars: median at most {MEDIAN_BAR * 1e3:.0f} ms, ratio at least {RATIO_BAR:.0f}: {'met' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
