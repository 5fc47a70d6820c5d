"""The wheel alone, in an environment and a folder with nothing of ours in them, is a whole Headwork."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from headwork.grading.mounts import bubblewrap

ROOT = Path(str(files("headwork")))
NOT_SOURCE = ("__pycache__", "node_modules", "build", "dist", "*.egg-info", ".*")
RIGHT = """
class LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual):
        centred = residual - residual.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + self.eps).sqrt() * self.w + self.b
"""

Headwork = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="the wheel is built from the repository, and this is not one"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves files behind in its source."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=_not_source, symlinks=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "out")]
    done = subprocess.run([*command, str(folder / "source")], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = (folder / "out").glob("*.whl")
    return made


def _not_source(folder: str, names: list[str]) -> set[str]:
    environments = {name for name in names if Path(folder, name, "pyvenv.cfg").is_file()}
    return set(shutil.ignore_patterns(*NOT_SOURCE)(folder, names)) | environments


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, which borrows everything else from the environment of the tests.

    A folder named in a `.pth` file is searched, but its own `.pth` files are not read: an editable Headwork there
    stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    python = str(folder / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    borrowed = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return folder


@pytest.fixture(scope="module")
def surroundings(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a shell in which only the new environment is active, at home in an empty folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HEADWORK", "COV_"))}
    home = tmp_path_factory.mktemp("home")
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(home), "HEADWORK_HOME": str(home / "headwork"), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def workspace(environment: Path, surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty before `headwork init`."""
    folder = tmp_path_factory.mktemp("workspace")
    done = _run(environment, surroundings, folder, "init")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def headwork(environment: Path, surroundings: dict[str, str], workspace: Path) -> Headwork:
    """Runs a command in the workspace."""
    return lambda *words: _run(environment, surroundings, workspace, *words)


def _run(
    environment: Path, surroundings: dict[str, str], folder: Path, *words: str
) -> "subprocess.CompletedProcess[str]":
    command = [str(environment / "bin" / "headwork"), *words]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=240)


def test_the_wheel_holds_every_module_and_every_file_that_they_read(wheel: Path) -> None:
    floors = ("authoring", "chapters", "checkers", "cli", "gradebook", "grading", "models", "solutions")
    wanted = {"__init__.py"}
    for floor in (*floors, "streamlit_app"):
        wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / floor).rglob("*") if _is_shipped(path)}
    assert {"checkers/gpt2/alternatives/by_hand.py", "chapters/gpt2/chapter.md", "chapters/gpt2/gpt2.ipynb"} < wanted
    assert {"grading/schemas/report.schema.json", "gradebook/migrations/script.py.mako"} < wanted
    held = {name.removeprefix("headwork/") for name in _names(wheel) if name.startswith("headwork/")}
    assert sorted(wanted - held) == []
    assert sorted(held - wanted) == []


def _is_shipped(path: Path) -> bool:
    return path.is_file() and not {"__pycache__", "node_modules", ".ipynb_checkpoints", ".DS_Store"} & set(path.parts)


def _names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_both_licences_and_nothing_beside_the_package(wheel: Path) -> None:
    names = _names(wheel)
    assert {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name} == {"LICENSE", "LICENSE-TEXT"}
    folders = {name.partition("/")[0] for name in names}
    assert {folder.partition("-")[0] for folder in folders} == {"headwork"}


def test_it_is_the_wheel_that_runs(environment: Path, surroundings: dict[str, str], tmp_path: Path) -> None:
    command = [str(environment / "bin" / "python"), "-c", "import headwork; print(headwork.__file__)"]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(environment)


def test_a_workspace_has_a_folder_for_each_chapter(workspace: Path) -> None:
    assert (workspace / "gpt2" / "exercises.py").is_file()
    assert (workspace / "gpt2" / "gpt2.ipynb").is_file()
    assert (workspace / "induction" / "exercises.py").is_file()


def test_an_untouched_exercise_is_not_started_and_a_right_one_passes(workspace: Path, headwork: Headwork) -> None:
    before = headwork("check", "gpt2.layer_norm", "--json")
    assert before.returncode == 1, before.stdout + before.stderr
    assert '"not_started"' in before.stdout
    file = workspace / "gpt2" / "exercises.py"
    file.write_text(file.read_text() + RIGHT)
    after = headwork("check", "gpt2.layer_norm", "--json")
    assert after.returncode == 0, after.stdout + after.stderr
    assert '"passed"' in after.stdout


def test_a_folder_of_submissions_is_graded(tmp_path: Path, headwork: Headwork) -> None:
    (tmp_path / "handed-in").mkdir()
    (tmp_path / "handed-in" / "ada.py").write_text("import torch\nfrom torch import nn\n" + RIGHT)
    reports = tmp_path / "reports"
    confined = ["--require-sandbox"] if bubblewrap() else []
    done = headwork("grade", str(tmp_path / "handed-in"), "--format", "json", "--out", str(reports), *confined)
    assert done.returncode == 0, done.stdout + done.stderr
    [written] = reports.glob("*.json")
    verdicts = {each["exercise"]: each["status"] for each in json.loads(written.read_text())["verdicts"]}
    assert verdicts["gpt2.layer_norm"] == "passed"
    assert verdicts["gpt2.attention"] == "missing"


def test_the_pages_are_served_until_they_are_ended(
    environment: Path, surroundings: dict[str, str], workspace: Path
) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(environment / "bin" / "headwork"), "serve", "--port", str(port), "--no-browser"]
    with subprocess.Popen(
        command, cwd=workspace, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert _answer(f"http://127.0.0.1:{port}/", server) == 200
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                printed, _ = server.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
    assert "Traceback" not in printed


def _answer(url: str, server: "subprocess.Popen[str]") -> int:
    """The status of the first answer within a minute; 0 when none came."""
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return 0
