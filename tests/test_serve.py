"""A real server on this machine: it answers, it can be stopped, and it asks nobody else."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwork.streamlit_app import serve

RUN = "import sys; from headwork.streamlit_app import serve; sys.exit(serve.run(int(sys.argv[1]), browser=False))"


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`serve.run` in a process group of its own, ready to answer."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(port)], env={**os.environ, "HEADWORK_HOME": str(tmp_path / "home")},
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                get(port, "/_stcore/health")
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": f"{host}:{port}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode()


def is_free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_page_is_served_and_ctrl_c_ends_it_cleanly(server: "subprocess.Popen[str]", port: int) -> None:
    status, page = get(port, "/")
    assert status == 200
    assert "<script" in page
    assert get(port, "/_stcore/health") == (200, "ok")
    os.killpg(server.pid, signal.SIGINT)  # as a terminal does
    out, err = server.communicate(timeout=30)
    assert server.returncode == 0
    assert f"http://127.0.0.1:{port}" in out
    assert "Traceback" not in out + err
    assert is_free(port)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_terminated_server_leaves_nothing_listening(server: "subprocess.Popen[str]", port: int) -> None:
    server.terminate()
    assert server.wait(timeout=30) == 0
    assert is_free(port)


def test_a_used_port_gives_one_line_and_exit_code_2(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert serve.run(port, browser=False) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"port {port} is in use")
    assert said.count("\n") == 1


def test_an_address_of_another_machine_gives_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.run(8501, "192.0.2.1", browser=False) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_server_tells_nobody_and_listens_to_this_machine_only() -> None:
    command = serve.command(8600)
    for flag in ("--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--client.showErrorDetails=none"):
        assert flag in command
    assert "-P" in command  # a learner's torch.py is not taken for PyTorch
    assert serve.environment("127.0.0.1")["STREAMLIT_SERVER_ALLOWED_HOSTS"]
    assert "STREAMLIT_SERVER_ALLOWED_HOSTS" not in serve.environment("0.0.0.0")


def test_streamlit_knows_every_setting() -> None:
    from streamlit import config

    known = config.get_config_options(force_reparse=False)
    assert set(serve.SETTINGS) <= set(known)
    assert set(serve.environment("127.0.0.1")) <= {each.env_var for each in known.values()}
