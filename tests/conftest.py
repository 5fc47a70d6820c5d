"""What every test stands on: one thread, so that several can share few cores, and a home of its own."""

import os

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
    from headwork.grading.dispatch import Grader

    with Grader(slow=False) as grader:
        yield grader
