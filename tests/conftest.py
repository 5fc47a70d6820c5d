"""What every test stands on: one thread, so that several can share few cores, and a home of its own."""

import os
from pathlib import Path

import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before torch is imported, here and in every process that a test starts


@pytest.fixture(autouse=True, scope="session")
def home_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees or touches the gradebook of whoever runs it."""
    os.environ["HEADWORK_HOME"] = str(tmp_path_factory.mktemp("headwork-home"))


@pytest.fixture(scope="module")
def grader():
    """Grades without the slow checks, with workers that a module's tests share."""
    from headwork.grading import expect
    from headwork.grading.dispatch import Grader

    with Grader(slow=False) as grader:
        yield grader
    expect.known.cache_clear()  # what a file's exercises do in all their cases: gigabytes, over all files
    expect.observe_mistake.cache_clear()


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The small course, built."""
    from headwork.authoring.build import build
    from headwork.tests.small_course import names, write_course

    folder, solutions = write_course(tmp_path / "course")
    build(course=folder, solutions=solutions, names=names)
    return folder


@pytest.fixture
def desk(tmp_path: Path, course: Path):
    """A learner of the small course, without a workspace."""
    from headwork.gradebook.store import Gradebook
    from headwork.streamlit_app.desk import Desk

    return Desk(Gradebook.open(tmp_path / "gradebook.sqlite"), course=course)


@pytest.fixture
def at_work(tmp_path: Path, course: Path, desk):
    """The same learner in a workspace."""
    from headwork.gradebook import workspace
    from headwork.streamlit_app.desk import Desk

    workspace.init(tmp_path / "mine", course=course)
    return Desk(desk.gradebook, workspace.find(tmp_path / "mine", course), course=course)
