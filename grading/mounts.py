"""What a confined worker sees of the machine: the interpreter, the allowed packages, and its own few modules.

Single packages are bound, never a whole `site-packages`, so that no reference, checker or expected value is on
its disk. Our modules are bound as namespace packages under a path of their own.
"""

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from headwork.grading import resources

HOME = "/headwork"  # where our own modules are, inside
SITE = "/packages"  # where the allowed packages are, inside
MODELS = "/models"  # where models are, inside
OURS = [
    "checkers/probing.py",
    "grading/confine.py",
    "grading/frames.py",
    "grading/pages.py",
    "grading/program.py",
    "grading/resources.py",
    "grading/runner.py",
    "grading/syscalls.py",
    "grading/watch.py",
    "grading/wire.py",
    "grading/worker.py",
]
# What a chapter that allows headwork.models gets of it: the class, its hooks and edges, and what reads it from a file.
# Recipes, measures, planted weights and what else may come there can hold answers, and are left out.
SHOWN_OF_MODELS = [
    "__init__.py",
    "config.py",
    "convert.py",
    "edges.py",
    "gpt2.py",
    "gpt2_tokenizer.py",
    "hooks.py",
    "stored.py",
    "sums.py",
    "tokenizer.py",
    "tokenizers",
    "zoo.py",
]
# Not bubblewrap's own --dev: for its terminals it makes a second user namespace, in which a server that is not root
# could give only the first submission a PID namespace of its own.
NODES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
DEVICES = [
    *("--proc", "/proc", "--tmpfs", "/tmp", "--perms", "0755", "--dir", "/dev", "--perms", "0755", "--dir", "/dev/shm"),
    *(word for node in NODES for word in ("--dev-bind-try", node, node)),
]
SYSTEM = ["/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"]


@lru_cache
def bubblewrap() -> str | None:
    """The path of a bubblewrap that works here; None where there is none.

    Decided by a trial run of all that is done to a submission: some systems let bubblewrap start and stop it later.
    """
    path = shutil.which("bwrap")
    if path is None or sys.platform != "linux":
        return None
    ours = {name: outside for name, outside in _own("", ()).items() if name.endswith(("confine.py", "syscalls.py"))}
    trial = [path, *privileges(), "--setenv", "PYTHONPATH", HOME, *_system(), *_binds(ours), *DEVICES]
    confine = "from headwork.grading.confine import *; enter_namespaces(Limits())"
    try:
        done = subprocess.run(
            [*trial, str(Path(sys.executable).resolve()), "-S", "-P", "-c", confine], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return path if done.returncode == 0 else None


def privileges() -> list[str]:
    """The server's own namespaces, and what it needs to give each submission others; the submission has none of it.

    Started by root it stays in root's user namespace, because there alone it can become somebody else: the limit
    on processes does not bind root.
    """
    user = [] if os.getuid() == 0 else ["--unshare-user"]
    namespaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    needed = ["CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID"]
    return [*user, *namespaces, "--die-with-parent", *(word for name in needed for word in ("--cap-add", name))]


def confined(chapter: str, packages: tuple[str, ...]) -> list[str]:
    """The bubblewrap arguments for the worker of one chapter, up to the command."""
    arguments = [*privileges(), "--new-session", "--clearenv"]
    environment = {
        "PYTHONPATH": f"{HOME}:{SITE}",
        "HOME": "/tmp",
        "PATH": "/nowhere",
        "LANG": "C.UTF-8",
        resources.VARIABLE: MODELS,
        **SINGLE_THREAD,
    }
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += _system() + _binds(_packages(packages) | _own(chapter, packages) | _models())
    return [*arguments, *DEVICES, "--chdir", "/tmp", "--remount-ro", "/"]


SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def _binds(places: dict[str, str]) -> list[str]:
    """Binds outside places inside. Folders on the way are made first, or bubblewrap would close them to the learner."""
    parents = {str(parent) for inside in places for parent in Path(inside).parents} - {"/"}
    made = [word for parent in sorted(parents) for word in ("--perms", "0755", "--dir", parent)]
    return made + [word for inside, outside in places.items() for word in ("--ro-bind", outside, inside)]


@lru_cache
def _system() -> list[str]:
    """The system's libraries and the interpreter's own, never `/`; over every site-packages there, an empty folder."""
    bound = [path for path in SYSTEM if Path(path).exists()]
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")}
    bound += sorted(path for path in own if path and os.path.isdir(path) and not path.startswith("/usr/lib"))
    interpreter = str(Path(sys.executable).resolve())
    arguments = _binds({path: path for path in [*bound, interpreter]})
    hidden = {path for folder in bound for path in _site_packages(Path(folder))}
    ours = Path(str(files("headwork")))
    if any(ours.is_relative_to(path) for path in bound) and not any(ours.is_relative_to(path) for path in hidden):
        hidden.add(ours)
    return [
        *arguments,
        *(word for path in sorted(map(str, hidden)) for word in ("--tmpfs", path, "--remount-ro", path)),
    ]


def _site_packages(folder: Path) -> list[Path]:
    """The places under `folder` where installed packages may be."""
    names = ("site-packages", "dist-packages")
    patterns = [*names, *(f"python3*/{name}" for name in names)]
    return [path for pattern in patterns for path in folder.glob(pattern) if path.is_dir() and not path.is_symlink()]


def _packages(packages: tuple[str, ...]) -> dict[str, str]:
    """Every top-level file and folder of the allowed packages and of what they require."""
    places = {}
    wanted = {"torch", "numpy", "safetensors", *(name.split(".")[0] for name in packages)} - {"headwork"}
    for distribution in _closure(frozenset(wanted)):
        for top in _tops(distribution):
            if top in ("..", "__pycache__", "headwork") or top.endswith(".pth"):
                continue
            places[f"{SITE}/{top}"] = str(distribution.locate_file(top))
    return {inside: outside for inside, outside in places.items() if Path(outside).exists()}


def _tops(distribution: metadata.Distribution) -> Iterable[str]:
    """The first part of every path that was installed; `distribution.files` makes an object of each of torch's."""
    record = distribution.read_text("RECORD")
    if record is None:
        return dict.fromkeys(file.parts[0] for file in distribution.files or [])
    return dict.fromkeys(row[0].partition("/")[0] for row in csv.reader(record.splitlines()) if row)


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


def _models() -> dict[str, str]:
    """Every model that is here: configuration and safetensors, for probes that take one by name."""
    return {f"{MODELS}/{name}": str(folder.resolve()) for name, folder in resources.folders().items()}


def _own(chapter: str, packages: tuple[str, ...]) -> dict[str, str]:
    root = files("headwork")
    probes = f"checkers/{chapter}/probes"
    names = [*OURS, probes if (root / probes).is_dir() else f"{probes}.py"]
    if any(package.split(".")[:2] == ["headwork", "models"] for package in packages):
        names += [f"models/{name}" for name in SHOWN_OF_MODELS]
    return {f"{HOME}/headwork/{name}": str(root / name) for name in names}
