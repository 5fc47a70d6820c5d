"""The map of the course: what is done, what comes next, and where each line leads."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from headwork.chapters.course import chapters
from headwork.gradebook import practice
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Status, Verdict
from headwork.streamlit_app import overview
from headwork.streamlit_app.serve import MAIN
from headwork.tests.small_course import write_course


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return write_course(tmp_path)[0]


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    return Gradebook.open(tmp_path / "gradebook.sqlite")


def hand_in(book: Gradebook, id: str, status: Status, points: float = 0) -> None:
    number = book.submit(ME, Submission("draft", (Unit("x.py", f"x = {id!r}"),)), [id])
    book.record(number, Report("draft", (Verdict(id, status, points, 4),)))


def parts(book: Gradebook, course: Path) -> list[overview.Part]:
    return overview.parts(practice.map_of(book, ME, course), book.drafts(ME), course)


def test_an_exercise_is_done_begun_or_not_yet(book: Gradebook, course: Path) -> None:
    hand_in(book, "shapes.scaler", "passed", 4)
    hand_in(book, "shapes.half", "failed", 0.5)
    states = {row.id: row.state for part in parts(book, course) for row in part.rows}
    assert states == {"shapes.scaler": "done", "shapes.half": "begun", "shapes.heads": "open", "later.apply": "open"}
    book.save_draft(ME, "shapes.heads", "HEADS = []")
    book.take_hint(ME, "later.apply", 2)
    assert [row.state for part in parts(book, course) for row in part.rows][2:] == ["begun", "begun"]


def test_a_stub_handed_in_does_not_count_as_begun(book: Gradebook, course: Path) -> None:
    hand_in(book, "shapes.scaler", "not_started")
    assert parts(book, course)[0].rows[0].state == "open"


def test_a_row_says_what_an_exercise_is_worth(book: Gradebook, course: Path) -> None:
    hand_in(book, "shapes.scaler", "failed", 1.5)
    rows = parts(book, course)[0].rows
    assert rows[0].label == "**◐** Scale by a weight *1.5 of 4 points · 15 min*"
    assert rows[2].label == "**○** The heads `finding` *2.5 points · 60 min*"


def test_a_stretch_exercise_is_marked_and_its_title_is_markdown_in_no_way(book: Gradebook, course: Path) -> None:
    file = course / "later" / "chapter.md"
    file.write_text(file.read_text().replace("title: Apply\n", "title: 'A *b* [c](d) (stretch)'\n"))
    label = parts(book, course)[1].rows[0].label
    assert label.startswith(r"**○** A \*b\* \[c\]\(d\) `stretch` *")


def test_a_chapter_says_how_far_the_learner_has_come(book: Gradebook, course: Path) -> None:
    hand_in(book, "shapes.scaler", "passed", 4)
    head = parts(book, course)[0].head(1)
    assert "1 of 3 exercises done" in head
    assert "4 of 7.5 points" in head
    assert "about 2 hours" in head
    assert head.count("<i ") == 3


def test_what_an_author_writes_is_text(book: Gradebook, course: Path) -> None:
    file = course / "later" / "chapter.md"
    file.write_text(file.read_text().replace("summary: After shapes.", "summary: <script>alert(1)</script>"))
    assert "<script" not in parts(book, course)[1].head(2)


def test_the_way_on_is_where_the_learner_was(book: Gradebook, course: Path) -> None:
    def on(last: str | None) -> str | None:
        found = overview.continued(practice.map_of(book, ME, course), last)
        return found and found.id

    assert on(None) == "shapes.scaler"
    assert on("shapes.heads") == "shapes.heads"
    hand_in(book, "shapes.heads", "passed", 2.5)
    assert on("shapes.heads") == "later.apply"
    hand_in(book, "later.apply", "passed", 1)
    assert on("later.apply") == "shapes.scaler"
    assert on("gone.exercise") == "shapes.scaler"


def test_the_last_place_is_the_newest_of_any_chapter(book: Gradebook) -> None:
    assert book.last_place(ME) is None
    book.keep_place(ME, "gpt2", "gpt2.top_p")
    book.keep_place(ME, "induction", "induction.run_with_hooks")
    assert book.last_place(ME) == "induction.run_with_hooks"
    book.keep_place(ME, "gpt2", "gpt2.layer_norm")
    assert book.last_place(ME) == "gpt2.layer_norm"


# The page


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def opened() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=60).run()


def links(app: AppTest) -> dict[str, str]:
    return {
        each.proto.label: parse_qs(each.proto.query_string).get("exercise", [""])[0] for each in app.get("page_link")
    }


def test_the_map_leads_to_every_exercise_of_the_course(home: Path) -> None:
    app = opened()
    assert not app.exception
    ids = {exercise.id for chapter in chapters() for exercise in chapter.exercises}
    assert ids <= set(links(app).values())


def test_a_newcomer_begins_and_who_was_here_continues(home: Path) -> None:
    first = next(exercise for chapter in chapters() for exercise in chapter.exercises)
    assert links(opened())[f"Begin: {first.title}"] == first.id
    with Gradebook.open(home / "gradebook.sqlite") as book:
        hand_in(book, "gpt2.top_p", "failed")
        book.keep_place(ME, "gpt2", "gpt2.top_p")
    assert links(opened())["Continue: Nucleus sampling"] == "gpt2.top_p"
