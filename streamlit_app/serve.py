"""Starts Streamlit on the page, and ends it. Nothing that it serves or asks for is on another machine."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from headwork.streamlit_app import looks

MAIN = Path(__file__).with_name("main.py")
APP = Path(__file__).with_name("app.py")
UNUSABLE = 2
START_SECONDS = 60.0
SETTINGS = {
    "server.headless": "true",  # the browser is opened by us, and nobody is asked for an e-mail address
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": "false",
    "runner.postScriptGC": "false",  # it goes through all of torch, and takes longer than drawing the page
    "logger.level": "warning",
    "global.developmentMode": "false",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run(port: int = 8501, host: str = "127.0.0.1", browser: bool = True) -> int:
    """Serves the page until it is stopped. Gives 0 after Ctrl-C; 2, and says why, when the port cannot be had."""
    problem = _cannot_listen(host, port)
    if problem:
        print(problem, file=sys.stderr)
        return UNUSABLE
    url = address(host, port)
    server = subprocess.Popen(command(port, host, browser), env={**os.environ, **environment(host)})
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        server.terminate()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_announce, args=(url, server, browser), daemon=True).start()
    try:
        code = server.wait()
    except KeyboardInterrupt:  # the server has been sent it too
        stopped.set()
        code = _ended(server)
    return 0 if stopped.is_set() else code


def command(port: int = 8501, host: str = "127.0.0.1", browser: bool = True) -> list[str]:
    """The command line of the server. `-P` keeps the learner's folder from being searched for modules."""
    settings = {**SETTINGS, "server.address": host, "server.port": str(port)}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(APP), *flags]


def environment(host: str) -> dict[str, str]:
    """Settings that older versions of Streamlit do not know, and pass over when they are given here."""
    found = {
        "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true",
        "STREAMLIT_SERVER_SHOW_EMAIL_PROMPT": "false",
        "STREAMLIT_RUNNER_MAGIC_ENABLED": "false",  # we use none of it, and it parses beside us: see grading/parsing.py
    }
    for name, colours in (("LIGHT", looks.DAY), ("DARK", looks.NIGHT)):
        for key, value in colours.items():
            found[f"STREAMLIT_THEME_{name}_{_snake(key)}"] = value
    if host in LOOPBACK:  # another name for this machine is a rebinding attack
        found["STREAMLIT_SERVER_ALLOWED_HOSTS"] = " ".join(LOOPBACK)
    return found


def address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{name}:{port}"


def _snake(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)


def _cannot_listen(host: str, port: int) -> str:
    """Why no server can listen there, one line; empty when one can."""
    if not 1 <= port <= 65535:
        return f"{port} is no port: choose one between 1024 and 65535"
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except PermissionError:
        return f"no permission to use port {port}: choose one above 1023, such as --port 8501"
    except socket.gaierror:
        return f"{host} is no address of this machine: leave --host out to serve this machine only"
    except OSError as error:
        if error.errno in (98, 48, 10048):
            return f"port {port} is in use, perhaps by another `headwork serve`: choose another with --port {port + 1}"
        return f"cannot serve at {host}, port {port} ({error.strerror})"
    return ""


def _announce(url: str, server: "subprocess.Popen[bytes]", browser: bool) -> None:
    """Says where the page is once it answers, and opens a browser there."""
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    if server.poll() is None:
        print(f"Headwork is at {url} (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(url)


def _ended(server: "subprocess.Popen[bytes]") -> int:
    """The server's exit code; it is given a moment, and then no more."""
    for end in (lambda: None, server.terminate, server.kill):
        end()
        try:
            return server.wait(timeout=5)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
    return server.wait()
