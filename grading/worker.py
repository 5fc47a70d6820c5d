"""The process that runs learners' code. It holds inputs and probes, never an expected value, reference or mistake.

    python -m headwork.grading.worker '{"forks": true, ...}'     a server: torch is loaded once, submissions are forks
    python -m headwork.grading.worker '{"forks": false, ...}'    one submission, in this very process

`channel` is the number of a socket's descriptor. A server is sent one byte and the submission's own socket; it
answers with the child's pid descriptor, by which the grader kills it.
"""

import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.probing import Answer, Case, gradient
from headwork.grading.confine import (
    CHANNEL,
    NEW_PID,
    Limits,
    _libc,
    enter_namespaces,
    keep_only,
    limit_resources,
    own_sizes,
    step_down,
)
from headwork.grading.pages import collapse
from headwork.grading.program import Piece, Program
from headwork.grading.resources import load_model
from headwork.grading.runner import Ended, Fault, fault_of, find_probe, load_program, probe_modules, put
from headwork.grading.watch import forbid
from headwork.grading.wire import decode, encode, pack, unpack

AT_LENGTH = 3  # processes: one to grade and one in reserve is all that a single submission needs
MANY = 40  # processes: for so many it pays to make forks cheap


class Channel:
    """Frames over a socket."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.lock = threading.Lock()

    def receive(self, length: int) -> bytes:
        chunks = []
        while length:
            chunk = self.connection.recv(min(length, 1 << 20))
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            length -= len(chunk)
        return b"".join(chunks)

    def send(self, header: dict[str, Any], bodies: list[bytes] | None = None) -> None:
        with self.lock:
            self.connection.sendall(pack(header, bodies))


class Printed(io.TextIOBase):
    """Stands in for stdout and stderr: what is printed goes over the channel, up to a limit."""

    def __init__(self, channel: Channel, limit: int):
        self.channel, self.left, self.buffer = channel, limit, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.left > 0:
            self.buffer += text[: self.left]
            self.left -= len(text)
            if len(self.buffer) > 4096:
                self.flush()
        return len(text)

    def flush(self) -> None:
        text, self.buffer = self.buffer, ""
        if text:
            self.channel.send({"kind": "printed", "text": text})
        if self.left <= 0 and self.left > -(1 << 62):
            self.left = -(1 << 62)
            self.channel.send({"kind": "printed", "text": "\n(the rest is not shown: more than 1 MB was printed)\n"})


def serve_jobs(channel: Channel, limits: Limits) -> None:
    """Answers jobs until the grader hangs up: each is a program, a probe and cases."""
    printed = Printed(channel, limits.output)
    sys.stdout = sys.stderr = printed
    while True:
        try:
            header, body = unpack(channel.receive)
        except EOFError:
            return
        run_job(header, body, channel, printed)


def run_job(job: dict[str, Any], body: bytes, channel: Channel, printed: Printed) -> None:
    """Runs the program, puts each case to it, and sends what is yielded the moment it is."""
    program = Program(tuple(Piece(**piece) for piece in job["pieces"]), tuple(job["names"]), tuple(job["future"]))
    files = {piece.file for piece in program.pieces}
    device = job["device"]
    try:
        cases = decode(job["cases"], body, device, model=load_model)
    except Exception as error:  # a model that cannot be read, a device that is not there: no fault of the learner's
        channel.send({"kind": "unready", "reason": f"{type(error).__name__}: {error}"[:500]})
        return
    with forbid(job["forbid"], files, device) as calls:
        fault = None
        try:
            namespace = load_program(program)
            probe = find_probe(job["chapter"], job["probe"])
        except BaseException as error:
            fault = fault_of(error, files)
        printed.flush()
        channel.send({"kind": "loaded", "fault": _as_dict(fault), "calls": calls[:8]})
        if fault:
            return
        for index, (name, inputs) in enumerate(cases):
            for event in put(probe, namespace, Case(name, **inputs), device, files, look=index == 0):
                if isinstance(event, Ended):
                    printed.flush()
                    end = {"changed": event.changed, "lowered": event.lowered, "calls": calls[:8]}
                    channel.send({"kind": "ended", "fault": _as_dict(event.fault), **end})
                else:
                    tree, bodies = encode(event.value)
                    channel.send(
                        {"kind": "yielded", "name": event.name, "value": tree, "strayed": event.strayed}, bodies
                    )
            if calls:
                return


def _as_dict(fault: Fault | None) -> dict[str, Any] | None:
    return None if fault is None else vars(fault)


def warm_up() -> None:
    """Does a little of what jobs do: before forks for what is imported then, in a fork for the pages it will write."""
    for _ in put(_square, {}, Case("", x=torch.ones(2)), "cpu", set(), look=True):
        pass


def _square(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "", encode(gradient(torch.nn.functional.softplus, case.x, x=case.x))


def start_child(connection: socket.socket, limits: Limits, isolated: bool) -> None:
    """The forked child's life: confine itself, then serve, then vanish without cleaning up."""
    status = 1
    try:
        keep_only(connection.detach())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        channel = Channel(socket.socket(fileno=CHANNEL))
        try:
            sizes = own_sizes()  # while /proc is there
            if isolated:
                enter_namespaces(limits)
            else:
                step_down(torch.__file__, os.__file__, __file__)
            limit_resources(limits, sizes)
        except OSError as error:
            channel.send({"kind": "unconfined", "reason": str(error)})
            return
        channel.send({"kind": "ready"})
        warm_up()
        serve_jobs(channel, limits)
        status = 0
    finally:
        os._exit(status)


def keep_for_good() -> None:
    """Takes what there is out of the collector's sight, so that children do not copy pages only to look at them."""
    gc.collect()
    gc.freeze()


def serve_forks(control: socket.socket, limits: Limits, isolated: bool) -> None:
    """The server's loop. Single-threaded, and it runs no learner's code."""
    libc = _libc()
    home = os.open("/proc/self/ns/pid", os.O_RDONLY) if isolated else -1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    keep_for_good()
    control.sendall(b"R")
    ordered = 0
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        connection = socket.socket(fileno=descriptors[0])
        if isolated and libc.unshare(NEW_PID) != 0:
            control.sendall(b"X")
            continue
        child = os.fork()
        if child == 0:
            start_child(connection, limits, isolated)
        if isolated and libc.setns(home, NEW_PID) != 0:
            control.sendall(b"X")
            return
        connection.close()
        try:
            handle = os.pidfd_open(child)
        except ProcessLookupError:  # it has gone already; its socket says why
            control.sendall(b"X")
            continue
        socket.send_fds(control, [b"P"], [handle])
        os.close(handle)
        ordered += 1
        if ordered == AT_LENGTH:
            torch.optim.AdamW([torch.ones(1)])  # imports much, for a second: after a fork, to keep nobody waiting
            keep_for_good()
        if ordered == MANY:
            collapse()


def main() -> None:
    order = json.loads(sys.argv[1])
    limits = Limits(**order["limits"])
    torch.set_num_threads(1)
    for name in order["preload"]:
        importlib.import_module(name)
    probe_modules(order["chapter"])
    warm_up()  # the first backward pass imports much: once, before forks
    connection = socket.socket(fileno=order["channel"])
    if order["forks"]:
        serve_forks(connection, limits, order["isolated"])
        return
    keep_only(connection.detach())
    limit_resources(limits, own_sizes())
    channel = Channel(socket.socket(fileno=CHANNEL))
    channel.send({"kind": "ready"})
    serve_jobs(channel, limits)
    os._exit(0)


if __name__ == "__main__":
    main()
