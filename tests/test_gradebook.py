"""The gradebook's promises, kept alike by SQLite and by a private PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select

from headwork.gradebook import migrate
from headwork.gradebook.engine import address, connect
from headwork.gradebook.errors import GradebookError
from headwork.gradebook.store import Gradebook
from headwork.gradebook.tables import Base, FileRow
from headwork.grading.program import Attachment, Submission, Unit
from headwork.grading.report import CheckResult, Report, Status, Verdict


def tools() -> Path | None:
    """The folder of initdb and pg_ctl, or None."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), reverse=True)
    found = shutil.which("pg_ctl") or next(map(str, installed), None)
    folder = Path(found).resolve().parent if found else None
    return folder if folder and (folder / "initdb").exists() else None


def why_not() -> str:
    """Why no PostgreSQL can be started here; empty when one can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed"
    if tools() is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'"
    return ""


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database, stopped and removed afterwards."""
    programs = tools()
    assert programs is not None
    user = _unprivileged() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="hw") as folder:  # a socket's path has at most 107 characters
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)

        def call(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [str(programs / program), *arguments],
                cwd=folder,
                env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                stdout=subprocess.DEVNULL,  # the server keeps it open
                stderr=subprocess.DEVNULL,
                timeout=60,
            )
            assert done.returncode == 0, f"{program} gave {done.returncode}"

        data = f"{folder}/data"
        call("initdb", "-D", data, "-U", "headwork", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "start", "-w", "-D", data, "-l", f"{folder}/log", "-o", options)
        try:
            yield f"postgresql://headwork@/postgres?host={folder}"
        finally:
            call("pg_ctl", "stop", "-m", "immediate", "-D", data)


def _unprivileged() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    if reason := why_not():
        pytest.skip(reason)
    with cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield str(tmp_path / "gradebook.sqlite")
        return
    import psycopg

    url = request.getfixturevalue("server")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create database fresh")
        yield url.replace("/postgres?", "/fresh?")
        connection.execute("drop database fresh with (force)")


@pytest.fixture
def book(where: str) -> Iterator[Gradebook]:
    with Gradebook.open(where) as book:
        yield book


def work(source: str = "x = 1", name: str = "exercises.py") -> Submission:
    return Submission(name, (Unit(name, source),))


def verdict(status: Status, points: float = 0, exercise: str = "gpt2.layer_norm", message: str = "") -> Verdict:
    return Verdict(exercise, status, points, 4, message, checks=(CheckResult("is right", status == "passed"),))


def graded(book: Gradebook, *verdicts: Verdict, learner: str = "me", source: str = "x = 1") -> int:
    number = book.submit(learner, work(source), [each.exercise for each in verdicts], 0)
    assert book.record(number, Report("exercises.py", verdicts))
    return number


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """Call from as many threads at the same moment; what each gave, or raised."""
    start = threading.Barrier(count)
    gave: list[object] = [None] * count

    def run(index: int) -> None:
        start.wait()
        try:
            gave[index] = act(index)
        except Exception as problem:
            gave[index] = problem

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return gave


def test_what_is_handed_in_is_pending_with_all_it_takes_to_grade_it(book: Gradebook) -> None:
    number = book.submit("ada", work("x = 2"), ["gpt2.mlp", "gpt2.layer_norm"], seed=2**64 - 1)
    [pending] = book.pending()
    assert (pending.id, pending.learner, pending.submission) == (number, "ada", work("x = 2"))
    assert (pending.ids, pending.seed) == (("gpt2.mlp", "gpt2.layer_norm"), 2**64 - 1)
    assert abs((datetime.now(UTC) - pending.created).total_seconds()) < 60


def test_handing_in_the_same_again_while_it_is_pending_gives_the_same_row(book: Gradebook) -> None:
    first = book.submit("me", work(), ["gpt2.mlp", "gpt2.layer_norm"], 7)
    assert book.submit("me", work(), ["gpt2.layer_norm", "gpt2.mlp"], 7) == first
    others = {
        book.submit("me", work("x = 3"), ["gpt2.mlp", "gpt2.layer_norm"], 7),
        book.submit("me", work(), ["gpt2.mlp"], 7),
        book.submit("me", work(), ["gpt2.mlp", "gpt2.layer_norm"], 8),
        book.submit("ada", work(), ["gpt2.mlp", "gpt2.layer_norm"], 7),
    }
    assert len(others) == 4 and first not in others


def with_files(*attachments: Attachment) -> Submission:
    return replace(work(), attachments=attachments)


def test_files_come_back_with_what_they_came_along_with(book: Gradebook) -> None:
    files = (
        Attachment("mine.safetensors", bytes(range(256))),
        Attachment("other.safetensors", b"", "It is too large."),
    )
    first = book.submit("me", with_files(*files), ["sae.house_sae"])
    assert book.submit("me", with_files(*files), ["sae.house_sae"]) == first
    other = book.submit("me", with_files(Attachment("mine.safetensors", b"\0")), ["sae.house_sae"])
    assert other != first, "another file under the same name is another submission"
    assert [each.submission.attachments for each in book.pending()] == [files, (Attachment("mine.safetensors", b"\0"),)]
    book.withdraw(first)
    assert [each.id for each in book.pending()] == [other]


def test_contents_that_come_along_twice_are_kept_once(book: Gradebook) -> None:
    for learner in ("ada", "me"):
        book.submit(learner, with_files(Attachment("mine.safetensors", b"weights")), ["sae.house_sae"])
    book.lay_beside("me", "sae", "again.safetensors", b"weights")
    with book._reading() as session:
        assert session.scalar(select(func.count()).select_from(FileRow)) == 1


def test_a_file_lies_beside_the_drafts_of_one_chapter_and_learner(book: Gradebook) -> None:
    book.lay_beside("me", "sae", "mine.safetensors", b"first")
    book.lay_beside("me", "sae", "mine.safetensors", b"second")
    book.lay_beside("ada", "sae", "hers.safetensors", b"hers")
    assert book.beside("me", "sae") == (Attachment("mine.safetensors", b"second"),)
    assert book.beside("me", "gpt2") == ()
    assert book.sizes_beside("me", "sae") == {"mine.safetensors": 6}
    assert book.sizes_beside("nobody", "sae") == {}


def test_handing_in_the_same_once_it_is_graded_is_a_new_attempt(book: Gradebook) -> None:
    assert graded(book, verdict("failed")) != graded(book, verdict("failed"))
    assert len(book.attempts("me", "gpt2.layer_norm")) == 2


def test_threads_that_hand_in_the_same_share_one_row(book: Gradebook) -> None:
    numbers = at_once(8, lambda _: book.submit("new", work(), ["gpt2.mlp"], 0))
    assert set(numbers) == {book.pending()[0].id}


def test_threads_that_record_the_same_store_it_once(book: Gradebook) -> None:
    number = book.submit("me", work(), ["gpt2.layer_norm"], 0)
    report = Report("exercises.py", (verdict("passed", 4),))
    assert sorted(map(repr, at_once(6, lambda _: book.record(number, report)))) == ["False"] * 5 + ["True"]
    assert len(book.attempts("me", "gpt2.layer_norm")) == 1


def test_a_report_comes_back_as_it_went_in(book: Gradebook) -> None:
    hostile = "[red]\0\ud800 ' ; drop table learners -- \x1b[31m é\r\n"
    full = Verdict(
        "gpt2.layer_norm", "error", 0.1, 0.3, hostile, (CheckResult(hostile, None, 2, hostile, hostile),),
        hostile, hostile, (hostile, ""), hostile, hostile, 3, 0.25,
    )  # fmt: skip
    report = Report(hostile, (full, verdict("passed", 4, "gpt2.mlp")), 3, "process", {"torch": hostile}, hostile)
    number = book.submit(hostile, Submission(hostile, (Unit(hostile, hostile),)), [hostile], 3)
    assert book.report(number) is None
    book.record(number, report)
    assert book.report(number) == report
    [attempt] = book.attempts(hostile, "gpt2.layer_norm")
    assert attempt.verdict == full
    assert attempt.submission == Submission(hostile, (Unit(hostile, hostile),))


def test_a_faulty_report_is_refused_and_the_submission_stays_pending(book: Gradebook) -> None:
    number = book.submit("me", work(), ["gpt2.mlp", "gpt2.layer_norm"], 0)
    faulty = Report("exercises.py", (verdict("passed", 4), verdict("grader_fault", exercise="gpt2.mlp")))
    assert book.record(number, faulty) is False
    assert [each.id for each in book.pending()] == [number]
    assert book.best("me") == {}


def test_recording_twice_changes_nothing(book: Gradebook) -> None:
    number = graded(book, verdict("passed", 4))
    assert book.record(number, Report("exercises.py", (verdict("failed"),))) is False
    assert book.best("me")["gpt2.layer_norm"].passed
    assert book.pending() == []


def test_a_report_that_cannot_be_stored_whole_is_not_stored_at_all(book: Gradebook) -> None:
    number = book.submit("me", work(), ["gpt2.layer_norm"], 0)
    with pytest.raises(Exception, match=r"(?i)unique"):
        book.record(number, Report("exercises.py", (verdict("passed", 4), verdict("failed"))))
    assert [each.id for each in book.pending()] == [number]
    assert book.best("me") == {}


def test_a_submission_nobody_handed_in_is_named(book: Gradebook) -> None:
    with pytest.raises(GradebookError, match="there is no submission 99 in "):
        book.record(99, Report("exercises.py", ()))


def test_attempts_come_newest_first_each_with_its_source(book: Gradebook) -> None:
    for index in range(3):
        graded(book, verdict("failed", index), source=f"x = {index}")
    attempts = book.attempts("me", "gpt2.layer_norm")
    assert [(each.verdict.points, each.submission) for each in attempts] == [
        (2, work("x = 2")),
        (1, work("x = 1")),
        (0, work("x = 0")),
    ]
    assert book.attempts("me", "gpt2.layer_norm", limit=1) == attempts[:1]
    assert book.attempts("ada", "gpt2.layer_norm") == []


def test_the_best_has_passed_then_has_most_points_then_is_the_latest(book: Gradebook) -> None:
    graded(book, verdict("failed", 3.5), verdict("failed", 2, "gpt2.mlp", "older"), source="a")
    graded(book, verdict("passed", 3), verdict("failed", 2, "gpt2.mlp", "newer"), source="b")
    graded(book, verdict("failed", 3.5), verdict("failed", 1, "gpt2.mlp"), source="c")
    best = book.best("me")
    assert (best["gpt2.layer_norm"].status, best["gpt2.layer_norm"].points) == ("passed", 3)
    assert best["gpt2.mlp"].message == "newer"
    assert book.best("ada") == {}


def test_progress_tells_attempts_hints_and_solutions_of_one_learner(book: Gradebook) -> None:
    graded(book, verdict("failed", 1), source="a")
    graded(book, verdict("passed", 4), source="b")
    graded(book, verdict("failed", 1, "gpt2.mlp"), learner="ada")
    book.take_hint("me", "gpt2.attention", 3)
    book.view_solution("me", "gpt2.layer_norm", forced=False)
    progress = book.progress("me")
    assert set(progress) == {"gpt2.layer_norm", "gpt2.attention"}
    norm, attention = progress["gpt2.layer_norm"], progress["gpt2.attention"]
    assert (norm.attempts, norm.passed, norm.hints, norm.solution_viewed) == (2, True, 0, True)
    assert (attention.attempts, attention.passed, attention.hints, attention.last) == (0, False, 1, None)
    assert norm.last is not None and norm.last.tzinfo is UTC
    assert book.learners() == ["ada", "me"]


def test_a_draft_is_the_last_text_saved(book: Gradebook) -> None:
    assert book.draft("me", "gpt2.mlp") is None
    book.save_draft("me", "gpt2.mlp", "first")
    book.save_draft("me", "gpt2.mlp", "then \0 \ud800")
    book.save_draft("ada", "gpt2.mlp", "hers")
    draft = book.draft("me", "gpt2.mlp")
    assert draft is not None and draft.text == "then \0 \ud800"


def test_hints_are_taken_one_by_one_up_to_the_last(book: Gradebook) -> None:
    assert book.hints_taken("me", "gpt2.mlp") == 0
    assert [book.take_hint("me", "gpt2.mlp", 2) for _ in range(4)] == [1, 2, 2, 2]
    assert book.hints_taken("me", "gpt2.mlp") == 2
    assert book.take_hint("me", "gpt2.attention", 0) == 0
    assert book.hints_taken("me", "gpt2.attention") == 0


def test_threads_that_take_hints_lose_none(book: Gradebook) -> None:
    assert set(at_once(8, lambda _: book.take_hint("me", "gpt2.mlp", 100))) == set(range(1, 9))


def test_the_first_view_of_a_solution_is_the_one_that_counts(book: Gradebook) -> None:
    assert book.solution_viewed("me", "gpt2.mlp") is None
    book.view_solution("me", "gpt2.mlp", forced=True)
    book.view_solution("me", "gpt2.mlp", forced=False)
    view = book.solution_viewed("me", "gpt2.mlp")
    assert view is not None and view.forced
    assert book.solution_viewed("ada", "gpt2.mlp") is None


def test_a_place_is_kept_a_chapter_and_a_learner(book: Gradebook) -> None:
    book.keep_place("me", "gpt2", "attention")
    book.keep_place("me", "gpt2", "sampling")
    assert book.place("me", "gpt2") == "sampling"
    assert book.place("me", "induction") is None
    assert book.place("ada", "gpt2") is None


def test_what_was_stored_is_there_when_it_is_opened_again(where: str) -> None:
    with Gradebook.open(where) as book:
        graded(book, verdict("passed", 4))
    with Gradebook.open(where) as book:
        assert book.best("me")["gpt2.layer_norm"].passed


def test_a_new_database_opened_by_many_at_once_is_made_once(where: str) -> None:
    books = at_once(6, lambda _: Gradebook.open(where))
    assert [type(book) for book in books] == [Gradebook] * 6
    numbers = [book.submit("me", work(), ["gpt2.mlp"], 0) for book in books if isinstance(book, Gradebook)]
    assert len(set(numbers)) == 1
    for book in books:
        book.close()  # type: ignore[attr-defined]


def test_the_migrations_make_the_tables_that_the_code_knows(where: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    Gradebook.open(where).close()
    engine = connect(address(where))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrate.VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
        assert {each["name"] for each in inspect(connection).get_indexes("submissions")} == {
            "one_pending_submission_a_request",
            "submissions_by_state",
        }
    engine.dispose()


def test_a_server_that_is_not_there_is_one_line_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(GradebookError) as refused:
        Gradebook.open(f"postgres://ada:hunter2@/grades?host={tmp_path}")
    assert "\n" not in str(refused.value) and "hunter2" not in str(refused.value)
    assert str(refused.value).startswith("cannot use the gradebook at postgresql://ada:***@/grades")
