"""Takes system calls away from a process and all it starts: those that reach beyond the limits, or the kernel's depths.

Namespaces made by the learner could mount a disk in memory that no limit counts, shared memory that is not mapped
is no process's, keyrings outlive a process. A filter of the kernel (seccomp) refuses them, and every socket but
those between a submission's own processes.
"""

import ctypes
import platform
import struct

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in what a filter is given
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE, UNKNOWN = 0x50000 | 1, 0x50000 | 38  # EPERM; ENOSYS, on which libraries take an older way
ANOTHER_ABI = 0x40000000
NEW_USER, AF_UNIX = 0x10000000, 1

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # its audit number, its column below
CLONE, SOCKET, CLONE3 = (56, 220), (41, 198), (435, 435)
REFUSED = {
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51)},
    **{"unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429)},
    **{"fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "mount_setattr": (442, 442)},
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196)},
    **{"msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262)},
    **{"name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265)},
}

Instruction = tuple[int, int, int, int]  # operation, steps to skip when it holds, when not, operand


def refuse_system_calls(libc: ctypes.CDLL) -> int:
    """Installs the filter for good; 0 when it holds. On machines of other kinds there is none."""
    if platform.machine() not in MACHINES:
        return 0
    steps = b"".join(struct.pack("=HBBI", *step) for step in _filter(*MACHINES[platform.machine()]))
    buffer = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("@HP", len(steps) // 8, ctypes.addressof(buffer))
    return int(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.create_string_buffer(program), 0, 0))


def _filter(machine: int, column: int) -> list[Instruction]:
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, machine), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    steps += [(AT_LEAST, 0, 1, ANOTHER_ABI), (RETURN, 0, 0, UNKNOWN)]
    for numbers in REFUSED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, REFUSE)]
    steps += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, UNKNOWN)]  # its flags lie where no filter looks
    for numbers, refused_unless in ((CLONE, (ANY_BIT, 0, 1, NEW_USER)), (SOCKET, (EQUAL, 1, 0, AF_UNIX))):
        steps += [(EQUAL, 0, 4, numbers[column]), (LOAD, 0, 0, FIRST_ARGUMENT), refused_unless]
        steps += [(RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return [*steps, (RETURN, 0, 0, ALLOW)]
