"""A learner's autoencoder on the page: its score, and its place beside those that are shipped.

The judge is that of `headwork sae score`: the same file and seed give the same numbers.
"""

import secrets
from html import escape
from typing import Any

import streamlit as st

from headwork.gradebook import board
from headwork.streamlit_app import judgement, leaderboard
from headwork.streamlit_app.desk import Desk

ID, MODEL = "sae.house_sae", "house"
KIND = "autoencoder"


def show(desk: Desk) -> None:
    """Below the exercise's text, folded until somebody wants it."""
    fold = st.expander("Your autoencoder beside ours, and the leaderboard", key="autoencoder", on_change="rerun")
    if fold.open:
        with fold:
            st.fragment(_live, run_every=judgement.POLL if judgement.running(KIND) else None)(desk)


def _live(desk: Desk) -> None:
    from headwork.checkers.sae.judge.file import LARGEST
    from headwork.checkers.sae.judge.ladder import measured_activations
    from headwork.grading.render.frontier import LOSSES, frontier

    ours = measured_activations()
    hook = st.selectbox("Activation", sorted(ours), key="autoencoder hook")
    held = st.file_uploader(
        "A safetensors file with W_enc, b_enc, W_dec, b_dec, and k or threshold", type="safetensors",
        key="autoencoder file", max_upload_size=LARGEST >> 20,
    )  # fmt: skip
    idle = held is not None and judgement.running(KIND) is None
    if st.button("Score it", key="score autoencoder", disabled=not idle) and held is not None:
        start(held.getvalue(), hook)
        st.rerun()
    found = judgement.come_in(KIND, lambda found, claim: _keep(desk, found))
    if job := judgement.running(KIND):
        st.progress(min(job.done / _tokens(), 1.0), f"Reading texts: {job.done:,} of {_tokens():,} tokens")
    elif "problem" in found:
        st.html(f'<p class="hw-about">{escape(found["problem"])}</p>')
    elif found:
        st.markdown(told(found))
    yours = [each for each in st.session_state.get("autoencoders", []) if each["hook"] == hook]
    for loss in LOSSES:
        st.altair_chart(frontier(ours[hook]["autoencoders"], yours, loss), theme="streamlit", key=f"frontier {loss}")
    st.html('<p class="hw-caption">Lower and further left is better: fewer bits say as much.</p>')
    _board(desk, hook)


def start(file: bytes, hook: str) -> None:
    """Has the file judged, on fresh texts, while the page goes on. Nothing in it is run."""
    seed = secrets.randbelow(1 << 31)

    def judge(told: judgement.Told) -> dict[str, Any]:
        from headwork.checkers.sae.judge import file as files
        from headwork.checkers.sae.judge import score
        from headwork.models import zoo

        sae = files.loaded(file)
        model = zoo.load(MODEL).requires_grad_(False)
        return score.score(sae, model, MODEL, hook, seed=seed, told=told).as_json()

    judgement.start(KIND, judge, hook)


def told(found: dict[str, Any]) -> str:
    """A score as Markdown, from its JSON."""
    lines = [
        f"**{found['points']:.0f} of 100**, seed {found['seed']}",
        "",
        "| | yours |",
        "| --- | ---: |",
        f"| nats added | {found['added']:.3f} ± {2 * found['error']:.3f} |",
        f"| share of the variance missing | {found['fvu']:.3f} |",
        f"| active latents of {found['latents']} | {found['l0']:.1f} |",
        f"| alive | {100 * found['alive']:.0f} % |",
        f"| bits | {found['bits']:.0f} |",
        f"| bits of ours at the same loss | {_bits(found['bits_for_loss'])} |",
        f"| bits of ours at the same FVU | {_bits(found['bits_for_fvu'])} |",
        f"| latents of one of ours that are found in it | {100 * found['borrowed']:.0f} % |",
        f"| s, our bits by yours | {found['s']:.2f} |",
    ]
    if found["fault"]:
        lines += ["", f"{found['fault']} That brings no points."]
    return "\n".join(lines)


def _bits(number: float) -> str:
    return f"{number:.0f}" if number else "none is so bad"


def _board(desk: Desk, hook: str) -> None:
    columns = {
        "s": lambda figures: f"{figures['s']:.2f}",
        "latents": lambda figures: str(figures["latents"]),
        "L0": lambda figures: f"{figures['l0']:.1f}",
    }
    leaderboard.show(desk, board.autoencoders(hook), "The largest s of each who has trained one:", columns)


def _keep(desk: Desk, found: dict[str, Any]) -> None:
    """The points of this session stay in the picture, and the learner's best on the board."""
    board.enter_autoencoder(desk.gradebook, desk.learner, found)
    st.session_state["autoencoders"] = [*st.session_state.get("autoencoders", []), found]


def _tokens() -> int:
    from headwork.checkers.sae.judge.score import TOKENS

    return TOKENS
