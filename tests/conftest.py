"""What every test stands on: one thread, so that several can share few cores, and a home of its own."""

import gc
import os
from dataclasses import replace
from pathlib import Path

import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before torch is imported, here and in every process that a test starts

LONGEST = (  # files of tests, by how long they take
    "test_pages_browser.py",
    "test_page.py",
    "test_notebook_grade.py",
    "test_models_house_measure.py",
    "test_cli.py",
    "test_authoring_guide.py",
    "test_editor_component.py",
    "test_induction_judge.py",
    "test_models_planted.py",
    "test_figures.py",
    "test_circuit_reproduce.py",
    "test_story.py",
    "test_sandbox_without.py",
    "test_models_worker.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where files are run side by side, those that take longest come first: nobody waits for one at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # answers and models are made of many small objects


@pytest.fixture(autouse=True, scope="session")
def home_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees or touches the gradebook of whoever runs it."""
    os.environ["HEADWORK_HOME"] = str(tmp_path_factory.mktemp("headwork-home"))


@pytest.fixture(scope="session")
def workers():
    """What holds the workers that all modules' tests share: each loads torch once."""
    from headwork.grading.dispatch import Grader

    with Grader(slow=False) as grader:
        yield grader


@pytest.fixture(scope="module")
def grader(workers):
    """Grades without the slow checks; a module's own, but for its workers."""
    from headwork.grading import expect

    yield replace(workers)
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
