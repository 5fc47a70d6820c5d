"""The gradebook as a file on a learner's machine: shared, killed, damaged, older, newer."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from headwork.gradebook import migrate
from headwork.gradebook.engine import address, connect
from headwork.gradebook.errors import GradebookError
from headwork.gradebook.home import gradebook_file, home
from headwork.gradebook.store import Gradebook
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Verdict

EXERCISES = 40  # enough rows a report that a kill lands inside a transaction

WRITER = f"""
import sys
from headwork.gradebook.store import Gradebook
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Verdict

book, who, times = Gradebook.open(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for turn in range(times):
    number = book.submit(who, Submission("x.py", (Unit("x.py", f"turn = {{turn}}"),)), ["gpt2.e0"], turn)
    print("submitted", number, flush=True)
    book.record(number, Report("x.py", tuple(Verdict(f"gpt2.e{{i}}", "passed", 1) for i in range({EXERCISES}))))
    print("recorded", number, flush=True)
"""


def start_writing(file: Path, who: str, times: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(file), who, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def one_submission(book: Gradebook) -> int:
    number = book.submit("me", Submission("x.py", (Unit("x.py", "x = 1"),)), ["gpt2.e0"], 0)
    assert book.record(number, Report("x.py", (Verdict("gpt2.e0", "passed", 1),)))
    return number


def refused(file: Path) -> str:
    with pytest.raises(GradebookError) as problem:
        Gradebook.open(file)
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.mark.parametrize("after", [3, 10, 25])
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path, after: int) -> None:
    file = tmp_path / "gradebook.sqlite"
    writer = start_writing(file, "me", 100_000)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(after)]
    time.sleep(0.003 * after % 0.01)
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read()  # communicate() would lose what readline has read ahead
    writer.communicate()
    said = [line.split() for line in (*lines, *rest.splitlines(keepends=True)) if line.endswith("\n")]
    submitted = {int(number) for verb, number in said if verb == "submitted"}
    recorded = {int(number) for verb, number in said if verb == "recorded"}
    assert recorded

    with Gradebook.open(file) as book:
        pending = {each.id for each in book.pending()}
        attempts = {each.submission_id for each in book.attempts("me", f"gpt2.e{EXERCISES - 1}")}
    assert recorded <= attempts
    assert submitted <= attempts | pending
    assert len(attempts - recorded) <= 1  # done, and killed before it could say so
    with sqlite3.connect(file) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        whole = connection.execute("select submission_id, count(*) from verdicts group by submission_id").fetchall()
    assert whole == [(number, EXERCISES) for number in sorted(attempts)]
    assert not attempts & pending


def test_a_writer_killed_inside_a_transaction_leaves_the_submission_pending(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.sqlite"
    dies = WRITER.replace(
        "for turn",
        "import os, signal\nfrom sqlalchemy import event\n"
        "@event.listens_for(book._reader, 'commit')\n"
        "def die(connection):\n"
        "    if connection.exec_driver_sql('select count(*) from verdicts').scalar():\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "for turn",
    )
    done = subprocess.run([sys.executable, "-c", dies, str(file), "me", "5"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "submitted 1\n")
    with Gradebook.open(file) as book:
        assert [each.id for each in book.pending()] == [1]
        assert book.best("me") == {}
        assert book.record(1, Report("x.py", (Verdict("gpt2.e0", "passed", 1),)))


def test_four_processes_write_at_once(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.sqlite"
    writers = [start_writing(file, f"learner {index}", 25) for index in range(4)]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert errors == [""] * 4
    with Gradebook.open(file) as book:
        assert book.pending() == []
        assert [len(book.attempts(f"learner {index}", "gpt2.e0")) for index in range(4)] == [25] * 4


def test_readers_and_a_writer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        one_submission(book)
        began = time.monotonic()
        with book._reading() as reader:
            assert reader.scalar(text("select count(*) from drafts")) == 0
            book.save_draft("me", "gpt2.e0", "meanwhile")
            assert reader.scalar(text("select count(*) from drafts")) == 0
        with book._writing() as writer:
            writer.execute(text("delete from drafts"))
            assert book.draft("me", "gpt2.e0") is not None
        assert time.monotonic() - began < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_connections_of_its_own(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path / "gradebook.sqlite") as book:
        one_submission(book)
        with book._reader.connect() as connection:
            parents = connection.connection.dbapi_connection  # goes back to the pool
        child = os.fork()
        if child == 0:
            try:
                with book._reader.connect() as connection:
                    shared = connection.connection.dbapi_connection is parents
                book.save_draft("me", "gpt2.e0", "from the child")
                os._exit(2 if shared else 0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        draft = book.draft("me", "gpt2.e0")
        assert draft is not None and draft.text == "from the child"


def test_opening_an_up_to_date_file_does_not_import_alembic(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.sqlite"
    Gradebook.open(file).close()
    asks = "import sys; from headwork.gradebook.store import Gradebook; Gradebook.open(sys.argv[1]); "
    asks += "print([name for name in ('alembic', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asks, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("content", [b"not a database, but an essay\n" * 100, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gradebook.sqlite"
    file.write_bytes(content)
    message = refused(file)
    assert str(file) in message and "move it away" in message
    assert file.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_damaged_page_is_one_line_when_it_is_met(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.sqlite"
    with Gradebook.open(file) as book:
        for _ in range(30):
            one_submission(book)
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    with pytest.raises(GradebookError, match="is damaged or is not a gradebook; it was left as it is"):
        Gradebook.open(file).best("me")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("create table cookies (name text)")
    connection.close()
    before = digest(file)
    assert "is the database of another program" in refused(file)
    assert digest(file) == before


def migrations_with_one_more(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0003_next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        'revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None\n\n\n'
        "def upgrade():\n"
        '    with op.batch_alter_table("submissions", recreate="always") as table:\n'
        '        table.add_column(sa.Column("group", sa.Text))\n'
    )
    return folder


def test_a_database_from_before_files_came_along_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gradebook.sqlite"
    folder = tmp_path / "first"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__", "0002_*"))
    with monkeypatch.context() as before:
        before.setattr(migrate, "MIGRATIONS", folder)
        engine = connect(address(file))
        migrate.bring_up_to_date(engine)
        engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("insert into learners (name, created) values ('ada', '2026-01-01 00:00:00')")
    with Gradebook.open(file) as book:
        assert book.learners() == ["ada"]
        book.lay_beside("ada", "sae", "mine.safetensors", b"weights")


def test_an_older_database_is_upgraded_and_keeps_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gradebook.sqlite"
    with Gradebook.open(file) as book:
        number = one_submission(book)
    monkeypatch.setattr(migrate, "MIGRATIONS", migrations_with_one_more(tmp_path))
    with Gradebook.open(file) as book:
        assert book.report(number) == Report("x.py", (Verdict("gpt2.e0", "passed", 1),))
    with sqlite3.connect(file) as connection:
        assert connection.execute("select version_num from headwork_version").fetchall() == [("0003",)]
        assert "group" in [row[1] for row in connection.execute("pragma table_info(submissions)")]


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gradebook.sqlite"
    with Gradebook.open(file) as book:
        number = one_submission(book)
    folder = migrations_with_one_more(tmp_path)
    with (folder / "versions" / "0003_next.py").open("a") as source:
        source.write("    raise RuntimeError('half-way')\n")
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "MIGRATIONS", folder)
        with pytest.raises(RuntimeError, match="half-way"):
            Gradebook.open(file)
    with Gradebook.open(file) as book:
        assert book.report(number) is not None


def test_the_database_of_a_newer_headwork_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gradebook.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "MIGRATIONS", migrations_with_one_more(tmp_path))
        Gradebook.open(file).close()
    before = digest(file)
    message = refused(file)
    assert "newer headwork (revision 0003)" in message and "pip install --upgrade headwork" in message
    assert digest(file) == before


def test_the_names_of_the_migrations_tell_their_revisions() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert [each.revision for each in script.walk_revisions()][::-1] == migrate.revisions()
    assert script.get_heads() == migrate.revisions()[-1:]


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "://"])
def test_what_is_no_gradebooks_address_is_refused(url: str) -> None:
    with pytest.raises(GradebookError):
        Gradebook.open(url)


def test_home_is_where_headwork_home_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "deep" / "home"))
    assert home() == tmp_path / "deep" / "home"
    with Gradebook.open() as book:
        assert book.where == str(gradebook_file()) == str(tmp_path / "deep" / "home" / "gradebook.sqlite")


def test_home_is_the_users_data_directory_when_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWORK_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: str(tmp_path / name))
    assert home() == tmp_path / "headwork"


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(GradebookError, match=r"cannot write in .*: set HEADWORK_HOME to a folder you can write in"):
        home()
