"""From a submission to its report: a `Grader` asks every exercise of it, one process a submission."""

import ast
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from queue import SimpleQueue
from time import perf_counter

import torch

import headwork
from headwork.chapters import course
from headwork.checkers import catalogue
from headwork.checkers.exercise import Exercise
from headwork.grading.attached import fetch
from headwork.grading.control import Control, Progress, Stopped
from headwork.grading.expect import chapter_of
from headwork.grading.extract import extract
from headwork.grading.likeness import definitions
from headwork.grading.outline import outline
from headwork.grading.plan import Observation, Run
from headwork.grading.program import Program, Submission, Unit
from headwork.grading.report import Report, Verdict
from headwork.grading.sandbox import Gone, Server, Session, Setting, WorkerFault
from headwork.grading.submission import Unreadable, read_text
from headwork.grading.unusable import MissingName, Unusable
from headwork.grading.verdict import Heard, Outcome, verdict_of, verdict_of_unusable
from headwork.grading.wire import WireError, encode

OnVerdict = Callable[[Verdict], None]


@dataclass
class Grader:
    """Grades submissions one after the other. Close it, or use it in a `with` block: it keeps workers running."""

    setting: Setting = field(default_factory=Setting.best)
    seed: int = 0
    slow: bool = True  # also the cases that train something
    servers: dict[str, Server] = field(default_factory=dict)
    outcomes: dict[str, Outcome] | None = None  # by exercise, of the last submission: for who puts a dict here
    control: Control = field(default_factory=Control)  # to watch or stop it; `replace` gives a grading one of its own

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
        self.servers.clear()

    def warm(self, chapters: Iterable[str]) -> None:
        """Starts the workers of `chapters` and returns at once, so that they load torch while we do other things."""
        for chapter in chapters:
            self.server(chapter)

    def server(self, chapter: str, packages: tuple[str, ...] | None = None) -> Server:
        """The worker for what may import `packages`: the chapter's, or fewer of them, for which it has another."""
        usual = course.chapter(chapter).packages
        allowed = usual if packages is None else packages
        place = chapter if allowed == usual else " ".join([chapter, "with", *allowed])
        if place not in self.servers:
            self.servers[place] = Server(chapter, allowed, self.setting)
        return self.servers[place]

    def drop(self, server: Server) -> None:
        """Ends a worker; the next call for it starts a new one."""
        self.servers = {place: each for place, each in self.servers.items() if each is not server}
        server.close()

    def grade(
        self, submission: Submission, ids: Sequence[str] | None = None, on_verdict: OnVerdict | None = None
    ) -> Report:
        """The report of one submission: of `ids`, or of every chapter that it defines something of. Raises Stopped."""
        asked = list(ids) if ids is not None else ids_in(submission)
        with ThreadPoolExecutor(1) as judging:  # one exercise is judged while the next one runs
            verdicts = _Verdicts(on_verdict)
            for chapter in dict.fromkeys(id.split(".")[0] for id in asked):
                with Conversation(self, chapter) as conversation:
                    for id in (each for each in asked if each.split(".")[0] == chapter):
                        verdicts.add(self._verdict(submission, id, conversation, verdicts, judging))
            done = verdicts.all()
        self.control.go_on()
        problem = "" if asked else _nothing_in(submission)
        return Report(submission.name, done, self.seed, self.setting.name, versions(), problem)

    def _verdict(
        self, submission: Submission, id: str, talk: "Conversation", earlier: "_Verdicts", judging: ThreadPoolExecutor
    ) -> "Future[Verdict]":
        """Runs the exercise here and now; its verdict comes from the judging thread."""
        start = perf_counter()

        def judged(outcome: Outcome | Exception) -> Verdict:
            verdict = self._judged(id, outcome)
            return Verdict(**{**vars(verdict), "seconds": round(perf_counter() - start, 4)})

        try:
            outcome = self._outcome(submission, catalogue.exercise(id), talk, earlier)
            if self.outcomes is not None:
                self.outcomes[id] = outcome
            return judging.submit(judged, outcome)
        except Stopped:
            raise
        except Exception as error:  # told apart by the judge
            return judging.submit(judged, error)

    def _judged(self, id: str, outcome: Outcome | Exception) -> Verdict:
        points = course.exercise_text(id).points
        try:
            if isinstance(outcome, Exception):
                raise outcome
            return verdict_of(catalogue.exercise(id), outcome, points, self.seed, self.setting.device)
        except Unusable as error:
            return verdict_of_unusable(id, error, points)
        except Exception as error:  # ours, whatever it is: it must not become the learner's zero
            message = "The grader failed, not your code: nothing is counted, and it will be graded again."
            return Verdict(id, "grader_fault", 0, points, message, detail=f"{type(error).__name__}: {error}")

    def _outcome(
        self, submission: Submission, exercise: Exercise, talk: "Conversation", earlier: "_Verdicts"
    ) -> Outcome:
        program, untouched = find_program(submission, exercise)
        if untouched:
            return Outcome(program, stub_untouched=True)
        if exercise.needs:
            failed = [each.exercise for each in earlier.all() if each.exercise in exercise.needs and not each.passed]
            if failed:
                return Outcome(program, blocked_by=failed[0])
        outcome = talk.ask(program, exercise)
        fetch(exercise, outcome.quick.seen, submission.attachments)
        return outcome


class _Verdicts:
    """The verdicts of a submission in order, told as soon as they are there."""

    def __init__(self, tell: OnVerdict | None):
        self.tell, self.coming, self.told = tell, list[Future[Verdict]](), 0

    def add(self, verdict: "Future[Verdict]") -> None:
        self.coming.append(verdict)
        while self.told < len(self.coming) and self.coming[self.told].done():
            self._tell_next()

    def all(self) -> tuple[Verdict, ...]:
        """Waits for those that are being judged."""
        while self.told < len(self.coming):
            self._tell_next()
        return tuple(each.result() for each in self.coming)

    def _tell_next(self) -> None:
        verdict = self.coming[self.told].result()
        self.told += 1
        if self.tell:
            self.tell(verdict)


class Conversation:
    """What is said with one submission's processes, one for each set of packages that exercises may import.

    When a process is stopped, the next exercise gets a new one.
    """

    def __init__(self, grader: Grader, chapter: str):
        self.grader, self.chapter = grader, chapter
        self.sessions: dict[tuple[str, ...], Session] = {}

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        while self.sessions:
            self.grader.control.close(self.sessions.popitem()[1])

    def ask(self, program: Program, exercise: Exercise) -> Outcome:
        """Puts the quick cases and, when the learner's code got through them, the slow ones."""
        from headwork.grading.expect import known

        device = self.grader.setting.device
        packages = course.packages_of(exercise.id)
        self.grader.server(self.chapter, packages)
        facts = known(exercise.id, self.grader.seed, False, device)  # while the worker may still be loading torch
        quick = self.put(program, exercise.id, facts.runs, exercise.seconds, exercise.forbid, packages)
        outcome = Outcome(program, known=facts, quick=quick)
        if self.grader.slow and exercise.slow_seconds and outcome.quick.went_through:
            outcome.slow_known = known(exercise.id, self.grader.seed, True, device)
            runs, seconds = outcome.slow_known.runs, exercise.slow_seconds
            outcome.slow = self.put(program, exercise.id, runs, seconds, exercise.forbid, packages)
        return outcome

    def _session(self, packages: tuple[str, ...]) -> Session:
        if packages not in self.sessions:
            server = self.grader.server(self.chapter, packages)
            try:
                self.sessions[packages] = server.session()
            except WorkerFault:
                self.grader.drop(server)
                self.sessions[packages] = self.grader.server(self.chapter, packages).session()  # a new worker, once
        self.grader.control.hold(self.sessions[packages])
        return self.sessions[packages]

    def put(
        self,
        program: Program,
        probe: str,
        runs: list[Run],
        seconds: float,
        forbid: tuple[str, ...] = (),
        packages: tuple[str, ...] | None = None,
    ) -> Heard:
        """Puts runs to the program by the probe of this id, and returns what its process said.

        The program may import `packages`: without them, all that the chapter allows. Raises WorkerFault and Stopped.
        """
        control = self.grader.control
        control.go_on()
        session = self._session(course.chapter(self.chapter).packages if packages is None else packages)
        heard = Heard([Observation() for _ in runs])
        tree, bodies = encode([[run.case.name, run.case.inputs] for run in runs])
        job = {
            "pieces": [vars(piece) for piece in program.pieces],
            "names": program.names,
            "future": program.future,
            "chapter": self.chapter,
            "probe": probe.split(".")[1],
            "forbid": forbid,
            "device": self.grader.setting.device,
            "cases": tree,
        }
        try:
            for header, body in session.ask(job, bodies, seconds):
                if heard.take(header, body):
                    return heard
                control.progress = Progress(runs[heard.current].case.name, heard.current + 1, len(runs))
        except Gone as gone:
            heard.gone = gone
            self.hang_up()
        except (WireError, KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            heard.gone = Gone("error", f"The process wrote something that is no answer ({error}).")
            self.hang_up()
        control.go_on()
        return heard


def find_program(submission: Submission, exercise: Exercise) -> tuple[Program, bool]:
    """The learner's program for an exercise, and whether it is still the stub.

    A folder may hold an untouched exercises.py beside a notebook that was worked in: where the whole gives a stub,
    each file is looked at by itself. Raises Unusable.
    """
    packages, stub = course.packages_of(exercise.id), stub_of(exercise.id)
    program = extract(submission, exercise.names, packages, exercise.also)
    if stub is None or definitions(program, exercise.names) != stub:
        return program, False
    for part in _files_of(submission):
        try:
            other = extract(part, exercise.names, packages, exercise.also)
        except Unusable:
            continue
        if definitions(other, exercise.names) != stub:
            return other, False
    return program, True


def _files_of(submission: Submission) -> list[Submission]:
    """A submission for each file of one that has several."""
    files: dict[str, list[Unit]] = {}
    for unit in submission.units:
        files.setdefault(unit.label.split(" cell ")[0], []).append(unit)
    return [Submission(submission.name, tuple(units)) for units in files.values()] if len(files) > 1 else []


def ids_in(submission: Submission) -> list[str]:
    """The exercises of every chapter of which the submission defines an asked name: to import one is not enough."""
    whole = outline(submission)
    made = (each.binds for each in whole.statements if not isinstance(each.node, ast.Import | ast.ImportFrom))
    defined = set().union(*made)
    chapters = course.chapters()
    mine = [c.name for c in chapters if any(set(catalogue.exercise(e.id).names) & defined for e in c.exercises)]
    return [id for name in mine for id in catalogue.ids(name)]


def _nothing_in(submission: Submission) -> str:
    """Why no exercise was found in a submission."""
    broken = outline(submission).broken
    return str(broken[0][1]) if broken else "it defines nothing that an exercise asks for: hand in your exercises.py"


@lru_cache
def stub_of(id: str) -> tuple[str, ...] | None:
    """What the exercise's stub defines, normalised; None where the chapter has not been built since it was added."""
    exercise = catalogue.exercise(id)
    path = course.chapter(chapter_of(exercise)).folder / "exercises.py"
    if not path.exists():
        return None
    made = read_text("exercises.py", path.read_text(encoding="utf-8"))
    try:
        return definitions(extract(made, exercise.names, course.packages_of(id)), exercise.names)
    except MissingName:
        return None


@lru_cache
def versions() -> dict[str, str]:
    return {"headwork": headwork.__version__, "python": platform.python_version(), "torch": torch.__version__}


def grade_all(
    submissions: Iterable[tuple[str, Submission | Unreadable]],
    ids: Sequence[str] | None,
    graders: Sequence[Grader],
) -> Iterator[Report]:
    """Reports as they are finished, `len(graders)` submissions at a time; an unreadable one gets one that says so."""
    free: SimpleQueue[Grader] = SimpleQueue()
    for grader in graders:
        free.put(grader)

    def one(label: str, submission: Submission | Unreadable) -> Report:
        if isinstance(submission, Unreadable):
            return Report(label, (), graders[0].seed, graders[0].setting.name, versions(), str(submission))
        grader = free.get()
        try:
            return grader.grade(submission, ids)
        finally:
            free.put(grader)

    with ThreadPoolExecutor(len(graders)) as pool:
        yield from pool.map(lambda pair: one(*pair), submissions)
