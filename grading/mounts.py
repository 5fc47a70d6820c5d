"""What a confined worker sees of the machine: the interpreter, the allowed packages, and its own few modules.

Single packages are bound, never a whole `site-packages`, so that no reference, checker or expected value is on
its disk. Our modules are bound as namespace packages under a path of their own.
"""

import shutil
import subprocess
import sys
import sysconfig
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

HOME = "/headwork"  # where our own modules are, inside
SITE = "/packages"  # where the allowed packages are, inside
OURS = [
    "checkers/probing.py",
    "grading/confine.py",
    "grading/program.py",
    "grading/runner.py",
    "grading/watch.py",
    "grading/wire.py",
    "grading/worker.py",
]
SYSTEM = ["/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"]


@lru_cache
def bubblewrap() -> str | None:
    """The path of a bubblewrap that works here, decided by a trial run; None where there is none."""
    path = shutil.which("bwrap")
    if path is None or sys.platform != "linux":
        return None
    trial = [path, "--unshare-all", "--die-with-parent", *_binds(_system()), *capabilities(), "--proc", "/proc", "--dev", "/dev"]
    try:
        done = subprocess.run([*trial, sys.executable, "-I", "-c", ""], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return path if done.returncode == 0 else None


def capabilities() -> list[str]:
    """What the server needs to give each submission namespaces of its own; the submission itself has none of it."""
    return ["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]


def confined(chapter: str, packages: tuple[str, ...]) -> list[str]:
    """The bubblewrap arguments for the worker of one chapter, up to the command."""
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", *capabilities()]
    environment = {"PYTHONPATH": f"{HOME}:{SITE}", "HOME": "/tmp", "PATH": "/nowhere", "LANG": "C.UTF-8", **SINGLE_THREAD}
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += [*_binds(_system()), *_binds(_packages(packages)), *_binds(_own(chapter, packages))]
    return [*arguments, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/"]


SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _binds(places: dict[str, str]) -> list[str]:
    return [word for inside, outside in places.items() for word in ("--ro-bind", outside, inside)]


@lru_cache
def _system() -> dict[str, str]:
    """The system's libraries and the interpreter's own: never `/`, and no site-packages."""
    places = {path: path for path in SYSTEM if Path(path).exists()}
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")}:
        if path and Path(path).exists() and not path.startswith("/usr/lib"):
            places |= _without_site_packages(Path(path))
    interpreter = Path(sys.executable).resolve()
    places[str(interpreter)] = str(interpreter)
    return places


def _without_site_packages(folder: Path) -> dict[str, str]:
    """The entries of `folder`, with folders that hold a site-packages opened, and that left out."""
    places = {}
    for entry in folder.iterdir():
        if entry.name in ("site-packages", "dist-packages", "__pycache__", "test"):
            continue
        if entry.is_dir() and any((entry / name).exists() for name in ("site-packages", "dist-packages")):
            places |= _without_site_packages(entry)
        else:
            places[str(entry)] = str(entry)
    return places


def _packages(packages: tuple[str, ...]) -> dict[str, str]:
    """Every top-level file and folder of the allowed packages and of what they require."""
    places = {}
    wanted = {"torch", "numpy", *(name.split(".")[0] for name in packages)} - {"headwork"}
    for distribution in _closure(frozenset(wanted)):
        for file in distribution.files or []:
            top = file.parts[0]
            if top in ("..", "__pycache__", "headwork") or top.endswith(".pth"):
                continue
            places[f"{SITE}/{top}"] = str(distribution.locate_file(top))
    return {inside: outside for inside, outside in places.items() if Path(outside).exists()}


def _closure(names: frozenset[str]) -> list[metadata.Distribution]:
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        key = name.lower().replace("_", "-")
        if key in found:
            continue
        try:
            found[key] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        for text in found[key].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())


def _own(chapter: str, packages: tuple[str, ...]) -> dict[str, str]:
    root = files("headwork")
    names = [*OURS, f"checkers/{chapter}/probes.py"]
    if any(package.split(".")[:2] == ["headwork", "models"] for package in packages):
        names.append("models")
    return {f"{HOME}/headwork/{name}": str(root / name) for name in names}
