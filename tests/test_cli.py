"""The command line, from outside: what is said, where, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from headwork.cli.main import run
from headwork.tests.commands import (
    COMMAND,
    LAYER_NORM,
    SENTENCE,
    WRONG,
    Done,
    environment,
    headwork,
    write_layer_norm,
)

HEAVY = ("torch", "transformers", "streamlit", "numpy", "alembic")
LEARNING = ["init", "status", "check", "debug", "hint", "solution", "serve"]
COMMANDS = [*LEARNING, "grade", "verify", "build", "new", "doctor"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "home"


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that we stand in."""
    root = tmp_path / "work"
    assert run(["init", str(root)]) == 0
    monkeypatch.chdir(root)
    return root


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    """A command run in this process."""
    capsys.readouterr()
    code = run(list(arguments))
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def is_one_line(text: str) -> bool:
    return text.startswith("headwork: ") and text.count("\n") == 1 and "Traceback" not in text


# What is imported


def imported_by(home: Path, cwd: Path, *arguments: str) -> set[str]:
    program = (
        "import sys, headwork.cli.main as main\n"
        f"main.run({list(arguments)!r})\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=cwd, env=environment(home), capture_output=True, text=True
    )
    return set(ran.stderr.splitlines()[-1].split())


def test_help_imports_nothing_heavy(home, tmp_path):
    found = imported_by(home, tmp_path, "--help")
    assert "typer" in found
    assert found & {*HEAVY, "sqlalchemy", "yaml"} == set()


def test_init_imports_neither_torch_nor_a_database(home, tmp_path):
    assert imported_by(home, tmp_path, "init", "work") & {*HEAVY, "sqlalchemy"} == set()


def test_a_hint_imports_no_torch(home, tmp_path):
    assert imported_by(home, tmp_path, "hint", "layer_norm") & {"torch", "transformers", "streamlit"} == set()


# Help and wrong calls


def test_help_names_every_command_and_where_to_start(capsys):
    done = said(capsys, "--help")
    assert done.code == 0
    assert all(f" {command} " in done.out for command in COMMANDS)
    assert "headwork init my-headwork" in done.out


def test_no_command_at_all_shows_the_help(capsys):
    assert said(capsys).out == said(capsys, "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example(capsys, command):
    done = said(capsys, command, "--help")
    assert done.code == 0
    assert f"headwork {command}" in done.out.split("Example")[1]


def test_the_version_is_shown(capsys):
    import headwork as package

    assert said(capsys, "--version") == Done(0, f"headwork {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["chekc"], "check"),
        (["check", "--fast"], "headwork check --help"),
        (["hint"], "headwork hint --help"),
        (["check", "layer_nrm"], "did you mean gpt2.layer_norm?"),
        (["check", "gpt3"], "did you mean gpt2?"),
        (["check", "zzzzzz"], "headwork status"),
        (["hint", "gpt2"], "gpt2.layer_norm"),
        (["solution", "layernorm"], "did you mean gpt2.layer_norm?"),
        (["check", "nowhere.py"], "check the path"),
        (["check", "--watch", "--json"], "leave one of the two out"),
        (["check"], "headwork init"),
        (["check", "gpt2.layer_norm"], "headwork init"),
        (["debug", "layer_norm"], "headwork init"),
        (["grade", "nowhere"], "check the path"),
        (["grade", ".", "--executor", "ray"], "not there yet"),
        (["grade", ".", "--executor", "moon"], "leave it out"),
        (["grade", ".", "--format", "pdf"], "junit"),
        (["grade", ".", "--format", "csv", "--json"], "--out"),
        (["grade", ".", "--workers", "0"], "--workers"),
        (["grade", ".", "--device", "tpu"], "cuda"),
        (["grade", ".", "--ids", "layernorm"], "did you mean gpt2.layer_norm?"),
        (["grade", "."], "holds no submissions"),
        (["verify", "mine.py"], "headwork check"),
    ],
)
def test_a_call_that_cannot_be_answered_says_in_one_line_what_to_do(
    capsys, home, tmp_path, monkeypatch, arguments, mend
):
    monkeypatch.chdir(tmp_path)
    done = said(capsys, *arguments)
    assert (done.code, done.out) == (2, "")
    assert is_one_line(done.err)
    assert mend in done.err


def test_a_home_that_cannot_be_written_is_one_line(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path / "file"))
    done = said(capsys, "status")
    assert done.code == 2
    assert is_one_line(done.err)
    assert "HEADWORK_HOME" in done.err


def test_a_fault_of_ours_is_one_line_and_exit_code_3(capsys, home, monkeypatch):
    monkeypatch.setattr("headwork.gradebook.practice.map_of", None)
    monkeypatch.setattr("headwork.cli.status.map_of", None)
    done = said(capsys, "status")
    assert done.code == 3
    assert is_one_line(done.err)
    assert "HEADWORK_TRACEBACK=1" in done.err


# Workspace, hints, solutions, status, without grading anything


def test_init_says_what_it_made_and_a_second_one_has_nothing_to_do(capsys, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "gpt2/exercises.py" in said(capsys, "init", "work").out
    again = said(capsys, "init", "work")
    assert again.code == 0
    assert "nothing to do" in again.out


def test_a_deleted_file_is_named_and_restored_when_asked(capsys, here):
    (here / "gpt2" / "exercises.py").unlink()
    assert "--restore" in said(capsys, "init").out
    assert "is not there" in said(capsys, "check", "layer_norm").err
    said(capsys, "init", "--restore")
    assert (here / "gpt2" / "exercises.py").exists()


def test_hints_count_down_and_the_last_is_said_again(capsys, home):
    told = [said(capsys, "hint", "layer_norm").out for _ in range(4)]
    assert "hint 1 of 3" in told[0]
    assert "2 more" in told[0]
    assert "hint 3 of 3" in told[2]
    assert "the last one" in told[2]
    assert "had them all" in told[3]


def test_a_hint_as_json_is_json_alone(capsys, home):
    done = said(capsys, "hint", "gpt2.layer_norm", "--json")
    assert json.loads(done.out).items() >= {"exercise": "gpt2.layer_norm", "number": 1, "of": 3, "left": 2}.items()


def test_the_reference_is_held_back_before_an_attempt(capsys, home):
    done = said(capsys, "solution", "layer_norm")
    assert (done.code, done.out) == (2, "")
    assert "--force" in done.err


def test_the_forced_reference_is_shown_without_marks_and_recorded(capsys, home):
    done = said(capsys, "solution", "layer_norm", "--force")
    assert done.code == 0
    assert done.out.startswith("class LayerNorm(nn.Module):")
    assert "correction=0" in done.out
    assert "SOLUTION" not in done.out
    assert "reference seen" in said(capsys, "status").out


def test_the_reference_of_one_exercise_gives_no_other_away(capsys, home):
    assert "def attention_pattern" not in said(capsys, "solution", "gpt2.attention", "--force").out


def test_status_shows_every_exercise_and_what_is_next(capsys, home):
    done = said(capsys, "status")
    assert done.code == 0
    assert "gpt2.layer_norm" in done.out
    assert "Next: tensors.rearrange_images" in done.out
    data = json.loads(said(capsys, "status", "--json").out)
    assert data["next"] == "tensors.rearrange_images"
    assert data["exercises"] == sum(len(chapter["exercises"]) for chapter in data["chapters"])


@pytest.mark.parametrize("width", [60, 80])
def test_status_keeps_to_the_width_of_the_terminal(capsys, home, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(capsys, "status").out.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_check_in_a_fresh_workspace_says_that_nothing_is_started(capsys, here):
    done = said(capsys, "check")
    assert done.code == 1
    assert "Nothing is started" in done.out
    assert json.loads(said(capsys, "check", "--json").out) == {"passed": False, "reports": []}


def test_build_check_finds_the_made_files_as_they_should_be(capsys):
    done = said(capsys, "build", "--check")
    assert (done.code, done.err) == (0, "")


def test_doctor_says_of_each_thing_whether_it_is_fit(capsys, home):
    data = json.loads(said(capsys, "doctor", "--json").out)
    found = {each["what"]: each for each in data["findings"]}
    assert {"Python", "PyTorch", "threads", "CUDA", "sandbox", "home", "disk", "gradebook"} <= found.keys()
    assert data["fit"] == all(each["ok"] for each in data["findings"])
    assert all(each["mend"] for each in data["findings"] if not each["ok"])


def test_doctor_says_plainly_that_no_sandbox_is_no_boundary(capsys, home, monkeypatch):
    monkeypatch.setattr("headwork.grading.mounts.bubblewrap", lambda: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    done = said(capsys, "doctor")
    assert done.code == 1
    assert "no security boundary" in " ".join(done.out.split())
    assert "mend  sandbox" in done.out


def test_a_sandbox_that_is_required_and_missing_stops_grade(capsys, home, tmp_path, monkeypatch):
    monkeypatch.setattr("headwork.grading.mounts.bubblewrap", lambda: None)
    (tmp_path / "a.py").write_text(LAYER_NORM)
    done = said(capsys, "grade", str(tmp_path / "a.py"), "--require-sandbox")
    assert done.code == 2
    assert "bubblewrap" in done.err


# Whole stories, in processes of their own


def test_the_story_of_a_learner(home, tmp_path):
    def say(*arguments: str) -> Done:
        return headwork(*arguments, cwd=root, home=home)

    root = tmp_path
    assert say("init", "work").code == 0
    root = tmp_path / "work"
    assert "0 of" in say("status").out

    stub = say("check", "gpt2.layer_norm")
    assert stub.code == 1
    assert "not started" in stub.out

    write_layer_norm(root, correction=1)
    wrong = say("check")
    assert wrong.code == 1
    assert SENTENCE in wrong.out
    assert "attention" not in wrong.out
    assert "Traceback" not in wrong.err

    snippet = say("debug", "layer_norm")
    assert snippet.code == 1
    (root / "snippet.py").write_text(snippet.out)
    ran = subprocess.run(
        [sys.executable, "snippet.py"], cwd=root, env=environment(home), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "output\ntensor(" in ran.stdout

    assert say("solution", "layer_norm").code == 0
    write_layer_norm(root, correction=0)
    right = say("check", "layer_norm", "--json")
    assert right.code == 0
    data = json.loads(right.out)
    assert data["passed"]
    assert [each["status"] for each in data["reports"][0]["verdicts"]] == ["passed"]

    assert "nothing to debug" in say("debug", "layer_norm").out
    status = json.loads(say("status", "--json").out)
    assert (status["passed"], status["points"], status["next"]) == (1, 4, "tensors.rearrange_images")


def test_a_folder_of_good_bad_and_hostile_submissions_is_graded(home, tmp_path):
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "good.py").write_text(LAYER_NORM)
    (folder / "bad.py").write_text(WRONG)
    (folder / "broken.py").write_text("class LayerNorm(:\n")
    (folder / "latin.py").write_bytes(b'name = "\xff"\n')
    with zipfile.ZipFile(folder / "hostile.zip", "w") as archive:
        archive.writestr("../../outside.py", LAYER_NORM)
    one = ("grade", "submissions", "--ids", "layer_norm", "--workers", "2")

    done = headwork(*one, "--json", cwd=tmp_path, home=home)
    assert done.code == 0, done.err
    reports = {each["submission"]: each for each in json.loads(done.out)["reports"]}
    assert sorted(reports) == ["bad.py", "broken.py", "good.py", "hostile.zip", "latin.py"]
    got = {name: [each["status"] for each in report["verdicts"]] for name, report in reports.items()}
    assert got["good.py"] == ["passed"]
    assert got["bad.py"] == ["failed"]
    assert reports["bad.py"]["verdicts"][0]["mistake"] == SENTENCE
    assert got["broken.py"] == ["error"]
    assert "UTF-8" in reports["latin.py"]["problem"]
    assert "outside" in reports["hostile.zip"]["problem"]

    written = headwork(*one, "--format", "junit", "--out", "reports", cwd=tmp_path, home=home)
    assert written.code == 0
    assert len(list((tmp_path / "reports").glob("*.xml"))) == 5
    assert "good.py" in written.out


def test_files_are_checked_outside_a_workspace(home, tmp_path):
    (tmp_path / "mine.py").write_text(WRONG)
    done = headwork("check", "mine.py", cwd=tmp_path, home=home)
    assert done.code == 1
    assert SENTENCE in done.out
    assert "top_p" not in done.out


def test_a_syntax_error_is_a_verdict_and_an_unreadable_file_is_not(home, tmp_path):
    (tmp_path / "broken.py").write_text("class LayerNorm(:\n    pass\n")
    (tmp_path / "latin.py").write_bytes(b'name = "\xff"\n')
    done = headwork("check", "broken.py", "latin.py", cwd=tmp_path, home=home)
    assert done.code == 2
    assert "broken.py, line 1" in done.out
    assert is_one_line(done.err)
    assert "UTF-8" in done.err


def children_of(process: "subprocess.Popen[str]") -> set[int]:
    """Every process below this one."""
    found, waiting = set[int](), [process.pid]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                new = set(map(int, (task / "children").read_text().split())) - found
                found |= new
                waiting += new
        except OSError:
            continue
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run: not gone, and no zombies."""
    running = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                running.add(pid)
        except OSError:
            continue
    return running


def until(true, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("command", [("check", "slow.py"), ("grade", "slow.py", "slow2.py", "--workers", "2")])
def test_ctrl_c_is_one_line_and_leaves_no_worker(home, tmp_path, command):
    endless = LAYER_NORM.replace("mean = ", "print(end='')\n        while True: pass\n        mean = ")
    for name in ("slow.py", "slow2.py"):
        (tmp_path / name).write_text(endless)
    process = subprocess.Popen(
        [*COMMAND, *command],
        cwd=tmp_path,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: set[int] = set()

    def is_grading() -> bool:
        seen.update(children_of(process))
        return any(_busy(pid) for pid in alive(seen))

    until(is_grading)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "Stopped."
    assert "Traceback" not in err
    until(lambda: not alive(seen), seconds=10)


def _busy(pid: int) -> bool:
    """Whether this is a submission's process, at work: it has used a second of processor without being a server."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        parent = int(fields[1])
        same = Path(f"/proc/{pid}/cmdline").read_bytes() == Path(f"/proc/{parent}/cmdline").read_bytes()
        is_fork = same and b"headwork.grading.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return is_fork and int(fields[11]) / os.sysconf("SC_CLK_TCK") > 0.5
    except (OSError, ValueError):
        return False


def test_watch_reruns_on_save_and_survives_what_editors_do(home, tmp_path):
    path, out = tmp_path / "mine.py", tmp_path / "out.txt"
    path.write_text(WRONG)
    with out.open("w") as file:
        process = subprocess.Popen(
            [*COMMAND, "check", "mine.py", "--watch"],
            cwd=tmp_path,
            env=environment(home),
            stdout=file,
            stderr=subprocess.STDOUT,
        )

    def rounds() -> int:
        return out.read_text().count("Watching")

    try:
        until(lambda: rounds() == 1)
        assert SENTENCE in out.read_text()
        time.sleep(0.5)

        path.write_text("class LayerNorm(:\n")
        until(lambda: rounds() == 2)
        assert "mine.py, line 1" in out.read_text()

        path.unlink()
        time.sleep(0.5)
        assert process.poll() is None

        (tmp_path / ".mine.py.tmp").write_text(LAYER_NORM)
        os.replace(tmp_path / ".mine.py.tmp", path)
        until(lambda: "1 of 1 passed" in out.read_text())

        before = rounds()
        (tmp_path / "mine.safetensors").write_bytes(b"weights")
        until(lambda: rounds() > before)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert out.read_text().endswith("Stopped.\n")


def test_every_command_that_prints_a_result_prints_it_as_json_alone(here, capsys):
    def data(*arguments: str):
        return json.loads(said(capsys, *arguments, "--json").out)

    assert {"file": "gpt2/exercises.py", "action": "current"} in data("init", ".")["files"]
    assert data("hint", "layer_norm")["number"] == 1
    assert "class LayerNorm" in data("solution", "layer_norm", "--force")["source"]
    assert data("build", "--check") == {"stale": []}
    write_layer_norm(here, correction=1)
    failing = data("debug", "layer_norm")
    assert failing["status"] == "failed" and "def layer_norm" in failing["snippet"]
    [verified] = data("verify", "gpt2.layer_norm")
    assert verified["problems"] == [] and verified["mistakes"]["good"] == verified["mistakes"]["of"] > 8
