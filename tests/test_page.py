"""The page as Streamlit draws it, without a browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from headwork.chapters.course import chapters
from headwork.gradebook.store import ME, Gradebook
from headwork.gradebook.workspace import MARKER
from headwork.streamlit_app import frame
from headwork.streamlit_app.logic import plain
from headwork.streamlit_app.serve import MAIN
from headwork.tests.commands import LAYER_NORM
from headwork.tests.commands import SENTENCE as NAMED

EXERCISES = [exercise.id for chapter in chapters() for exercise in chapter.exercises]
PRINTS = "        print(\"<script>document.title = 'caught'</script>\")\n"
RIGHT = LAYER_NORM.replace("        mean =", PRINTS + "        mean =")
WRONG = RIGHT.replace("correction=0, ", "")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEADWORK_PLAIN_EDITOR", "1")  # there is no browser here
    monkeypatch.chdir(tmp_path)
    config.set_option("runner.magicEnabled", False)  # as served: what it parses would be parsed beside our threads
    return tmp_path / "home"


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    yield
    frame.marking().close()
    frame.marking.clear()


def opened(id: str = "gpt2.layer_norm") -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["exercise"] = id
    return app.run()


def html(app: AppTest) -> str:
    return "\n".join(each.proto.body for each in app.get("html") if "<style>" not in each.proto.body)


def check(app: AppTest, text: str, wait: bool = True) -> AppTest:
    app.text_area[0].set_value(text).run()
    app.button(key="check gpt2.layer_norm").click().run()
    if wait and "stop gpt2.layer_norm" in [each.key for each in app.button]:
        frame.marking().last("gpt2.layer_norm").wait(120)
        app.run()
    return app


@pytest.mark.parametrize("id", EXERCISES)
def test_the_page_of_every_exercise_is_drawn(id: str) -> None:
    app = opened(id)
    assert not app.exception
    assert "hw-failed" not in html(app)
    assert app.query_params["exercise"] == id
    assert app.button(key=f"check {id}")


def test_the_text_begins_with_the_chapters_title() -> None:
    assert "# " + plain("GPT-2 from its parts") in [each.value for each in opened("gpt2.embed").markdown]


def test_the_answer_to_a_prediction_waits_behind_a_fold() -> None:
    folds = {each.label: each for each in opened().expander}
    assert "Thrown away are the mean" in folds["Show the answer"].markdown[0].value


def test_a_wrong_layer_norm_is_told_its_mistake() -> None:
    app = check(opened(), WRONG)
    assert not app.exception
    assert NAMED in html(app)
    assert "0 of 4 points" in html(app)
    assert "<dt>expected</dt>" in html(app)
    assert "<dd>output[0, 0, 0]</dd>" in html(app)
    assert "case “ordinary numbers”" in html(app)


def test_a_right_layer_norm_passes_and_its_points_count() -> None:
    app = check(opened(), RIGHT)
    assert "All checks pass." in html(app)
    assert "4 of 4 points" in html(app)
    assert '<p class="hw-score">4 of ' in html(app)


def test_what_a_learner_prints_is_shown_as_code_and_never_as_html() -> None:
    app = check(opened(), WRONG)
    assert "&lt;script&gt;document.title" in html(app)
    assert "<script" not in html(app)
    assert not any("<script" in each.value for each in app.markdown)


def test_broken_code_is_explained_without_a_traceback_of_ours() -> None:
    app = check(opened(), "class LayerNorm(:\n    '<script>'")
    assert not app.exception
    assert "line 1" in html(app)
    assert "headwork/" not in html(app)
    assert "<script" not in html(app)


def test_a_text_that_cannot_be_read_is_explained() -> None:
    app = check(opened(), "x = '\0'")
    assert not app.exception
    assert "NUL byte" in html(app)


def test_a_new_session_shows_the_draft_and_the_last_report() -> None:
    check(opened(), WRONG)
    later = opened()
    assert later.text_area[0].value == WRONG
    assert NAMED in html(later)


def test_a_report_on_older_code_says_so() -> None:
    app = check(opened(), RIGHT)
    assert "has changed since" not in html(app)
    app.text_area[0].set_value(WRONG).run()
    assert "Your code has changed since this check." in html(app)


def test_a_draft_outlives_the_server(home: Path) -> None:
    opened().text_area[0].set_value("kept").run()
    frame.gradebook.clear()
    assert opened().text_area[0].value == "kept"


HEADING = "# gpt2.layer_norm: LayerNorm\n# 4 points, about 20 minutes. Check it with: headwork check gpt2.layer_norm\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The learner's file of a workspace, in which the server runs."""
    (tmp_path / MARKER).write_text("{}")
    (tmp_path / "gpt2").mkdir()
    file = tmp_path / "gpt2" / "exercises.py"
    file.write_text(f"import torch\nfrom torch import nn\n\n\n{HEADING}{WRONG}")
    return file


def test_in_a_workspace_the_page_edits_and_checks_the_file(mine: Path) -> None:
    app = opened()
    assert app.text_area[0].value == WRONG.strip()
    app = check(app, RIGHT)
    assert mine.read_text() == f"import torch\nfrom torch import nn\n\n\n{HEADING}{RIGHT}"
    assert "All checks pass." in html(app)


def test_what_another_editor_wrote_appears_on_the_page(mine: Path) -> None:
    app = opened()
    mine.write_text(HEADING + RIGHT)
    assert app.run().text_area[0].value == RIGHT.strip()


def test_two_editors_at_once_lose_nothing_and_the_learner_decides(mine: Path) -> None:
    app = opened()
    mine.write_text(HEADING + "theirs = 1\n")
    app.text_area[0].set_value("ours = 1").run()
    assert "theirs = 1" in mine.read_text()
    assert app.text_area[0].value == "ours = 1"
    assert "has changed on disk" in html(app)
    app.button(key="ours gpt2.layer_norm").click().run()
    assert mine.read_text() == HEADING + "ours = 1\n"
    assert "has changed on disk" not in html(app)


def test_the_learner_may_take_what_is_in_the_file(mine: Path) -> None:
    app = opened()
    mine.write_text(HEADING + "theirs = 1\n")
    app.text_area[0].set_value("ours = 1").run()
    app.button(key="theirs gpt2.layer_norm").click().run()
    assert app.text_area[0].value == "theirs = 1"
    assert mine.read_text() == HEADING + "theirs = 1\n"


def test_hints_come_one_by_one() -> None:
    app = opened()
    assert not any("Each position is normalised" in each.value for each in app.markdown)
    app.button(key="hint gpt2.layer_norm").click().run()
    assert any("Each position is normalised" in each.value for each in app.markdown)
    assert not any("`torch.var` has an argument" in each.value for each in app.markdown)
    assert app.button(key="hint gpt2.layer_norm").label == "Hint 2 of 3"
    app.button(key="hint gpt2.layer_norm").click().run()
    app.button(key="hint gpt2.layer_norm").click().run()
    assert "hint gpt2.layer_norm" not in [each.key for each in app.button]


def links(app: AppTest) -> dict[str, str]:
    """Where each link leads, by its label."""
    return {
        each.proto.label: parse_qs(each.proto.query_string).get("exercise", [""])[0] for each in app.get("page_link")
    }


def test_the_contents_of_the_chapter_lead_to_all_its_exercises() -> None:
    app = opened()
    app.session_state["contents"] = True
    found = links(app.run())
    assert found["**○** Nucleus sampling"] == "gpt2.top_p"
    assert found["Hooks, heads and circuits"] == "induction.hook_point"
    assert '<p class="hw-section">Choosing a token: the nucleus</p>' in html(app)


def test_who_passes_is_led_on() -> None:
    assert links(check(opened(), RIGHT))["Next: The causal mask"] == "gpt2.causal_mask"


def test_an_unknown_exercise_leads_into_its_chapter() -> None:
    app = opened("gpt2.<script>")
    assert app.query_params["exercise"] == "gpt2.embed"
    assert "<script" not in html(app)


# What was tried before, and what others wrote


def test_earlier_attempts_are_listed_with_what_changed() -> None:
    app = check(check(opened(), WRONG), RIGHT)
    app.session_state["attempts gpt2.layer_norm"] = True
    app.run()
    assert [each.partition(" ✗")[2] or each[-8:] for each in app.radio[0].options] == [
        "✓ passed",
        plain(" not yet: " + NAMED),
    ]
    assert "<ins>+         variance = residual.var(-1, correction=0, keepdim=True)</ins>" in html(app)
    assert "&lt;script&gt;" in html(app) or "<script" not in html(app)


def test_an_earlier_text_can_be_taken_back_and_nothing_is_lost() -> None:
    app = check(check(opened(), WRONG), RIGHT)
    app.session_state["attempts gpt2.layer_norm"] = True
    app.run().radio[0].set_value(1).run()
    app.button(key="take back gpt2.layer_norm").click().run()
    assert app.text_area[0].value == WRONG
    assert "What was here before you put another text in its place" in app.radio[0].options
    app.radio[0].set_value(2).run()
    app.button(key="take back gpt2.layer_norm").click().run()
    assert app.text_area[0].value == RIGHT


def test_starting_again_brings_the_stub_back_and_keeps_the_text(home: Path) -> None:
    app = opened()
    stub = app.text_area[0].value
    app.text_area[0].set_value("mine = 1").run()
    app.button(key="reset gpt2.layer_norm").click().run()
    assert app.text_area[0].value == stub
    assert Gradebook.open(home / "gradebook.sqlite").draft(ME, "gpt2.layer_norm (before)").text == "mine = 1"


def test_the_reference_is_there_after_an_attempt_and_its_view_is_recorded(home: Path) -> None:
    app = opened()
    assert "see gpt2.layer_norm" not in [each.key for each in app.button]
    app = check(app, WRONG)
    app.button(key="see gpt2.layer_norm").click().run()
    assert any("normalised * self.w + self.b" in each.value for each in app.code)
    assert "NotImplementedError" not in "".join(each.value for each in app.code)
    assert not Gradebook.open(home / "gradebook.sqlite").solution_viewed(ME, "gpt2.layer_norm").forced


# A check that takes long

SLOW = RIGHT.replace("        mean =", "        import time\n        time.sleep(60)\n        mean =")


def test_a_check_that_takes_long_can_be_stopped_and_is_no_attempt(home: Path) -> None:
    app = check(opened(), SLOW, wait=False)
    assert app.button(key="stop gpt2.layer_norm").label == "Stop"
    assert not app.text_area[0].disabled
    until = time.monotonic() + 60
    while not frame.marking().last("gpt2.layer_norm").control.progress.number and time.monotonic() < until:
        time.sleep(0.05)
    app.run()
    assert "Case 1 of" in html(app)
    start = time.monotonic()
    app.button(key="stop gpt2.layer_norm").click().run()
    frame.marking().last("gpt2.layer_norm").wait(5)
    assert time.monotonic() - start < 2
    assert "Stopped after" in html(app)
    book = Gradebook.open(home / "gradebook.sqlite")
    assert not book.attempts(ME, "gpt2.layer_norm")
    assert not book.pending()
    assert "All checks pass." in html(check(app, RIGHT))


def test_a_damaged_gradebook_is_one_line_on_the_page(home: Path) -> None:
    home.mkdir()
    (home / "gradebook.sqlite").write_text("no database " * 100)
    app = opened()
    assert not app.exception
    assert "is not a gradebook" in html(app)


def test_a_fault_of_the_grader_costs_nothing(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(type(frame.marking()), "_ready", lambda self: 1 / 0)
    app = check(opened(), RIGHT)
    assert not app.exception
    assert "the grader&#x27;s fault, not yours" in html(app).lower()
    assert Gradebook.open(home / "gradebook.sqlite").best(ME) == {}
