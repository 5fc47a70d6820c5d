"""Exercises verified side by side: each process has a grader of its own, and when it is free takes the next one."""

import gc
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.util import Finalize

import torch

from headwork.authoring.verified import Verified
from headwork.authoring.verify import verify
from headwork.grading.dispatch import Grader

_grader: Grader  # this process's own


def verify_all(
    ids: list[str], workers: int, done: Callable[[str], None], *, mutate: bool, slow: bool, seeds: int
) -> Iterator[Verified]:
    """What is found about each exercise, in the order of `ids`; `done` is called with an id when it has been verified.

    Raises what a verification raises, and BrokenProcessPool when a process dies.
    """
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:

        def submit(id: str) -> Future[Verified]:
            future = pool.submit(_verify, id, mutate, slow, seeds)
            future.add_done_callback(lambda _: done(id))
            return future

        futures = [submit(id) for id in ids]
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    global _grader
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # mistakes run in this process, and torch warns of some of them
    gc.freeze()  # torch and all that it brings: nothing of it becomes garbage
    gc.set_threshold(10_000, 20, 20)  # answers and models are made of many small objects
    _grader = Grader(slow=False)
    Finalize(None, _grader.close, exitpriority=1)


def _verify(id: str, mutate: bool, slow: bool, seeds: int) -> Verified:
    return verify(id, _grader, mutate=mutate, slow=slow, seeds=seeds)
