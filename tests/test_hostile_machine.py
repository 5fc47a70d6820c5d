"""The machine is out of reach: network, files, time and output, for one submission and the next."""

import socket
import threading
import time

import pytest

from headwork.tests.hostile import grade, isolated, submission

pytestmark = pytest.mark.skipif(not isolated(), reason="no bubblewrap works here (apt install bubblewrap)")


@pytest.fixture(scope="module")
def listener():
    """A server on loopback, of TCP, UDP and an abstract name; the list is of what arrived."""
    arrived: list[str] = []
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    name = socket.socket(socket.AF_UNIX)
    name.bind("\0headwork-listens")
    name.listen()
    for each in (tcp, name):
        threading.Thread(target=lambda each=each: (each.accept(), arrived.append("connected")), daemon=True).start()
    threading.Thread(target=lambda: arrived.append(str(udp.recv(9))), daemon=True).start()
    yield tcp.getsockname()[1], arrived
    for each in (tcp, udp, name):
        each.close()


@pytest.mark.parametrize(
    "reach",
    [
        "socket.create_connection(('127.0.0.1', PORT), 1)",
        "socket.create_connection(('localhost', PORT), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
        "socket.socket(socket.AF_INET6)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(40, socket.SOCK_STREAM)",  # to the host of a virtual machine
        "socket.socket(socket.AF_UNIX).connect('\\0headwork-listens')",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:PORT', timeout=1)",
        "socket.getaddrinfo('example.org', 80)[0][4][0]",
    ],
)
def test_the_network_is_out_of_reach(reach, listener):
    port, arrived = listener
    attack = f"try:\n    print('REACHED', {reach})\nexcept OSError as error:\n    print('refused', error)"
    verdict = grade(submission(attack.replace("PORT", str(port))))
    assert verdict.passed and "refused" in verdict.printed and "REACHED" not in verdict.printed
    assert not arrived


PLACES = [
    "/",
    "/root",
    "/home",
    "/packages",
    "/packages/torch",
    "/headwork/headwork/checkers",
    "/proc",
    "/dev",
    "/usr/lib",
]


def test_nothing_can_be_written_but_a_private_temporary_folder():
    attack = f"""
        import site, sysconfig
        places = {PLACES} + [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")]
        for place in places:
            try:
                open(os.path.join(place, "usercustomize.py"), "w").write("x")
                print("WROTE", place)
            except OSError:
                pass
        for path in (torch.__file__, sys.modules["headwork.checkers.probing"].__file__, sys.executable):
            for change in (lambda: open(path, "a"), lambda: os.chmod(path, 0o777), lambda: os.remove(path)):
                try:
                    change()
                    print("CHANGED", path)
                except OSError:
                    pass
        open(os.path.expanduser("~/mine"), "w").write("mine")
        print("home", os.path.expanduser("~"))
        """
    verdict = grade(submission(attack))
    assert verdict.passed and verdict.printed == "home /tmp\n"


TRACES = {
    "a file in /tmp": ("open('/tmp/trace', 'w').write('x')", "os.path.exists('/tmp/trace')"),
    "a file in /dev/shm": ("open('/dev/shm/trace', 'w').write('x')", "os.listdir('/dev/shm')"),
    "an environment variable": ("os.environ['TRACE'] = 'x'; os.putenv('TRACE', 'x')", "os.environ.get('TRACE')"),
    "a module's state": ("torch.mark = sys.mark = True", "hasattr(torch, 'mark') or hasattr(sys, 'mark')"),
    "a torch default": ("torch.set_default_dtype(torch.float64)", "torch.get_default_dtype() != torch.float32"),
    "a random seed": ("torch.manual_seed(4711)", "torch.initial_seed() == 4711"),
    "an abstract socket": (
        "global KEPT; KEPT = socket.socket(socket.AF_UNIX); KEPT.bind('\\0trace'); KEPT.listen()",
        "socket.socket(socket.AF_UNIX).connect_ex('\\0trace') == 0",
    ),
    "System V memory": (
        "ctypes.CDLL(None).shmget(4711, 4096, 0o1666)",
        "ctypes.CDLL(None).shmget(4711, 4096, 0o666) != -1",
    ),
    "a POSIX message queue": (
        "ctypes.CDLL(None).mq_open(b'/trace', 0o102, 0o666, None)",
        "ctypes.CDLL(None).mq_open(b'/trace', 0) != -1",
    ),
    "a key in the session's keyring": (
        "ctypes.CDLL(None).syscall(248, b'user', b'trace', b'x', 1, ctypes.c_int(-3))",
        "ctypes.CDLL(None).syscall(250, 10, ctypes.c_int(-3), b'user', b'trace', 0) != -1",
    ),
    "the host's name": ("ctypes.CDLL(None).sethostname(b'trace', 5)", "socket.gethostname() == 'trace'"),
    "a folder left on the working directory": ("os.makedirs('trace/trace')", "os.listdir('.')"),
    "a process": (
        "os.fork() or (os.setsid(), os.fork(), time.sleep(60))",
        "any(name.isdigit() for name in os.listdir('/proc'))",
    ),
}


@pytest.mark.parametrize(("leave", "find"), TRACES.values(), ids=TRACES)
def test_nothing_is_left_for_the_next_submission(leave, find):
    grade(submission(f"try:\n    {leave}\nexcept OSError:\n    pass"))
    verdict = grade(submission(f"print('FOUND' if {find} else 'clean')"))
    assert verdict.passed and verdict.printed == "clean\n"


LOOPS = {
    "in Python": "while True: pass",
    "that catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "in a regular expression": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "in a power": "return 7 ** 7 ** 9",
    "asleep with every signal blocked": """
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        while True: time.sleep(10)
        """,
    "in a child": "if os.fork() == 0:\n    while True: pass\nos.wait()",
    "while it prints": "while True: print('x')",
    "while it writes frames": """
        frame = b'{"kind": "printed", "text": ""}'
        frame = struct.pack("<II", len(frame), 0) + frame
        while True: os.write(3, frame * 100)
        """,
}


@pytest.mark.parametrize("forward", LOOPS.values(), ids=LOOPS)
def test_an_endless_loop_is_stopped_in_time(forward):
    start = time.monotonic()
    verdict = grade(submission(forward=forward), seconds=0.8)
    assert time.monotonic() - start < 3
    assert verdict.points == 0 and verdict.status in ("timed_out", "error")
    assert verdict.status == "timed_out" or "more than the grader is ready to read" in verdict.message


FLOODS = {
    "print": "print('x' * 5_000_000)",
    "many prints": "for _ in range(300_000): print('some words')",
    "the first stdout": "print('x' * 5_000_000, file=sys.__stdout__)",
    "descriptors": "for _ in range(100):\n    for number in (1, 2): os.write(number, bytes(1 << 16))",
    "C": "system = ctypes.CDLL(None)\nfor _ in range(100_000): system.printf(b'some words')\nsystem.fflush(None)",
    "standard error": "print('x' * 5_000_000, file=sys.stderr)",
    "warnings": "import warnings\nfor n in range(20_000): warnings.warn(f'{n}' * 20)",
}


@pytest.mark.parametrize("attack", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_output_is_cut_and_costs_no_points(attack):
    verdict = grade(submission(attack))
    assert verdict.passed and len(verdict.printed) <= 1 << 20


def test_what_was_printed_before_the_flood_is_kept_and_the_cut_is_said():
    verdict = grade(submission("print('first')\nprint('x' * 5_000_000)"))
    assert verdict.printed.startswith("first\n") and len(verdict.printed) > 1_000_000


def test_the_submission_has_no_rights_to_use():
    attack = """
        for call in (lambda: os.setuid(0), lambda: os.chroot("/tmp"), lambda: os.nice(-5), lambda: os.kill(1 << 20, 9),
                     lambda: os.mknod("/tmp/d", 0o60600, 2049), lambda: os.setgroups([0]),
                     lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))):
            try:
                call()
                print("DONE")
            except OSError:
                print("refused")
        os.kill(-1, signal.SIGKILL)
        """
    verdict = grade(submission(attack.replace("os.kill(-1, signal.SIGKILL)", "")))
    assert verdict.passed and verdict.printed == "refused\n" * 7
    grade(submission(attack))  # whatever it kills, the next submission is graded
