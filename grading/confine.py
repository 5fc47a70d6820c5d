"""Takes from the learner's process what it does not need: privileges, network, files, processes, memory.

Inside bubblewrap a forked child gets namespaces of its own and drops every capability; elsewhere only the limits
apply, which is no security boundary. Linux only, but for `limit_resources`.
"""

import ctypes
import os
from contextlib import suppress
from dataclasses import dataclass

from headwork.grading.syscalls import refuse_system_calls

NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x1000, 0x4000, 0x40000
NOBODY = 65534
CHANNEL = 3  # the one descriptor that stays open
ADDRESSES = 16 << 30  # bytes of addresses beyond memory: threads reserve many; a table of addresses costs 1/512 of them


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    memory: int = 2 << 30  # bytes, of all its processes together
    processes: int = 64
    output: int = 1 << 20  # bytes, printed
    file: int = 16 << 20  # bytes, of one file in the private temporary folder
    temporary: int = 64 << 20  # bytes, of that folder
    cpu: int = 600  # seconds


class ConfineError(OSError):
    """A step of the confinement failed; the learner's code must not run."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _try(step: str, result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise ConfineError(code, f"{step}: {os.strerror(code)}")


def enter_namespaces(limits: Limits) -> None:
    """Gives the process, just forked, its own user, mount, network and IPC namespaces, and nothing to gain by them.

    The process is the first of a new PID namespace, so that its end is the end of all its descendants.
    """
    libc = _libc()
    if os.getuid() == 0:  # the limit on processes does not bind root
        _become_nobody()
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would stay root's
    user, group = os.getuid(), os.getgid()
    _try("unshare", libc.unshare(NEW_USER | NEW_NS | NEW_NET | NEW_IPC | NEW_UTS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _mount(libc, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    size = f"size={limits.temporary},nr_inodes=4096,mode=1777".encode()
    _mount(libc, b"tmpfs", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV, size)
    _mount(libc, b"/tmp", b"/dev/shm", None, MS_BIND, None)  # the server's own would be common to all submissions
    _mount(libc, b"tmpfs", b"/proc", b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, b"size=0")
    os.chdir("/tmp")
    drop_privileges(libc)


def _mount(libc: ctypes.CDLL, source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None) -> None:
    _try(f"mount {target.decode()}", libc.mount(source, target, kind, flags, data))


def drop_privileges(libc: ctypes.CDLL) -> None:
    """Drops every capability for good, the way back by set-user-id programs, and system calls no answer needs."""
    _try("no_new_privs", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last that this kernel knows
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _try("capset", libc.capset(header, (ctypes.c_uint32 * 6)()))
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    _try("seccomp", refuse_system_calls(libc))


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def step_down(*needed: str) -> None:
    """Without isolation: root becomes nobody, whom the limit on processes binds, if that one can read the `needed`."""
    if not hasattr(os, "setresuid") or os.getuid() != 0:
        return
    with suppress(OSError):  # a container's root may have no right to be somebody else
        os.seteuid(NOBODY)
        readable = all(os.access(path, os.R_OK, effective_ids=True) for path in needed)
        os.seteuid(0)
        if readable:
            _become_nobody()


def limit_resources(limits: Limits, sizes: dict[str, int]) -> None:
    """Sets the limits that the operating system offers for one process; those it lacks are left out.

    `sizes` are those of the process as it is, torch above all: the learner's memory comes on top.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_DATA": limits.memory + sizes.get("VmData", 0),
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_NOFILE": 64,  # what waits in pipes and sockets is memory, too
    }
    if "VmSize" in sizes:
        wanted["RLIMIT_AS"] = limits.memory + sizes["VmSize"] + ADDRESSES
    for name, value in wanted.items():
        if hasattr(resource, name):
            soft_hard = resource.getrlimit(getattr(resource, name))
            ceiling = value if soft_hard[1] == resource.RLIM_INFINITY else min(value, soft_hard[1])
            resource.setrlimit(getattr(resource, name), (ceiling, ceiling))


def own_sizes() -> dict[str, int]:
    """Bytes of this process's memory by the names of /proc; empty where there is none."""
    try:
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        return {name: int(lines[name].split()[0]) << 10 for name in ("VmData", "VmSize")}
    except (OSError, KeyError, ValueError):
        return {}


def keep_only(channel: int) -> None:
    """Closes every descriptor but `channel`, which becomes number 3; input is empty, output goes nowhere."""
    if channel != CHANNEL:
        os.dup2(channel, CHANNEL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(CHANNEL + 1, 65536)
