"""A judgement that is made while the page goes on: at most one of a kind in a session, with how far it has come."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import streamlit as st

POLL = 0.5  # seconds between looks at one that is being made

Told = Callable[[int], None]  # how much was done since the last time


@dataclass
class Judgement:
    """What `judge` returns, once it has; `claim` is what it is about."""

    judge: Callable[[Told], dict[str, Any]]
    claim: Any
    done: int = 0
    future: "Future[dict[str, Any]] | None" = None

    def told(self, count: int) -> None:
        self.done += count


@st.cache_resource
def _bench() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def start(kind: str, judge: Callable[[Told], dict[str, Any]], claim: Any) -> None:
    """Has `judge` called with a function that it tells its progress to."""
    job = Judgement(judge, claim)
    job.future = _bench().submit(judge, job.told)
    st.session_state[f"{kind} job"] = job


def running(kind: str) -> Judgement | None:
    found: Judgement | None = st.session_state.get(f"{kind} job")
    return found


def come_in(kind: str, enter: Callable[[dict[str, Any], Any], object]) -> dict[str, Any]:
    """The last judgement of the kind, {} where there is none; one that is done now goes to `enter` with its claim.

    Whatever went wrong is {"problem": a sentence}, and the page goes on.
    """
    job = running(kind)
    if job and job.future and job.future.done():
        try:
            found = job.future.result()
            st.session_state[f"{kind} score"] = found
            enter(found, job.claim)
        except Exception as problem:
            st.session_state[f"{kind} score"] = {"problem": " ".join(str(problem).split())}
        st.session_state[f"{kind} job"] = None
        st.rerun()
    last: dict[str, Any] = st.session_state.get(f"{kind} score") or {}
    return last
