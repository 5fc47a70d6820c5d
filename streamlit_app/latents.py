"""The latents of the shipped autoencoders on the page: how often each is active, where, and to what effect."""

import random
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from headwork.streamlit_app.desk import Desk

if TYPE_CHECKING:  # importing these imports torch
    from headwork.checkers.sae.judge.reader import Context, Reader

ID = "sae.top_contexts"
FIRST = ("blocks.1.hook_resid_post", 16)  # the one that is shown first: all of its latents are alive
NAMES = ("strongest", "upper quarter", "middle", "lower quarter", "weakest")


def show(desk: Desk) -> None:
    """Below the exercise's text, folded until somebody wants it."""
    fold = st.expander("Read the latents of a trained autoencoder", key="latents", on_change="rerun")
    if fold.open:
        with fold:
            st.fragment(_browser)()


def _browser() -> None:
    from headwork.grading.render.latents import densities
    from headwork.models.dictionaries import autoencoders

    there = autoencoders()
    first = there.index(FIRST) if FIRST in there else 0
    hook, k = st.selectbox("Autoencoder", there, first, format_func=lambda each: f"{each[0]}, k = {each[1]}")
    with st.spinner("Reading texts…"):
        reader = _reader(hook, k)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        last = len(reader.density) - 1
        latent = int(st.number_input("Latent", 0, last, step=1, key="latent"))
        st.button("A random one", key="random latent", on_click=_draw, args=(reader,))
    density = float(reader.density[latent])
    st.html(f'<p class="hw-about">Latent {latent} is active for {100 * density:.2f} % of the tokens.</p>')
    st.altair_chart(densities(reader.density.tolist(), density), theme="streamlit", key="densities")
    _contexts(reader.contexts(latent))
    _logits(reader, latent)
    _neighbours(reader, latent)
    _effect(reader, hook, k, latent)


@st.cache_resource(max_entries=2, show_spinner=False)
def _reader(hook: str, k: int) -> "Reader":
    from headwork.checkers.sae.judge.reader import Reader

    return Reader(hook, k)


def _draw(reader: "Reader") -> None:
    """Drawn evenly from all that are ever active: a favourite tells of itself."""
    st.session_state["latent"] = random.choice((reader.density > 0).nonzero().flatten().tolist() or [0])


def _contexts(found: "list[list[Context]]") -> None:
    if not found:
        st.html('<p class="hw-about">On these texts it is never active.</p>')
        return
    top = max(max(each.activity) for rows in found for each in rows)
    for name, rows in zip(NAMES, found, strict=True):
        lines = "".join(f"<p>{coloured(each, top)}</p>" for each in rows)
        st.html(f'<p class="hw-about">{name}</p><div class="hw-contexts">{lines}</div>')


def coloured(context: "Context", top: float) -> str:
    """The words on a ground as deep as the latent is active there, against `top`; the place itself is marked."""
    spans = []
    for place, (word, strength) in enumerate(zip(context.words, context.activity, strict=True)):
        share = 0 if top <= 0 else round(100 * strength / top)
        mark = " class='hw-place'" if place == context.at else ""
        spans.append(f'<span{mark} style="--share: {share}%" title="{strength:.2f}">{escape(word)}</span>')
    return "".join(spans)


def _logits(reader: "Reader", latent: int) -> None:
    most, least = reader.logits(latent)
    said = [
        f'<p class="hw-about">{name}</p><p class="hw-tokens">'
        + " ".join(f'<code title="{value:+.2f}">{escape(word)}</code>' for word, value in rows)
        + "</p>"
        for name, rows in (("It speaks for", most), ("and against", least))
    ]
    st.html("".join(said))


def _neighbours(reader: "Reader", latent: int) -> None:
    st.html('<p class="hw-about">Its neighbours, by the cosine of their directions</p>')
    with st.container(horizontal=True):
        for other, cosine in reader.neighbours(latent):
            st.button(f"{other} ({cosine:.2f})", key=f"neighbour {other}", on_click=_go, args=(other,))


def _go(latent: int) -> None:
    st.session_state["latent"] = latent


def _effect(reader: "Reader", hook: str, k: int, latent: int) -> None:
    if not st.button("Ablate it", key="ablate latent"):
        return
    with st.spinner("Taking it out…"):
        effect = reader.effect(latent)
    if effect is None:
        st.html('<p class="hw-about">It is never active here: there is nothing to take out.</p>')
        return
    random_ones = sorted(effect.at_random)
    st.html(
        f'<p class="hw-about" role="status">Without it the predictions move by {effect.ablated:.4f} nats where it is '
        f"active; with as much of a random direction taken out, by {random_ones[0]:.4f} to {random_ones[-1]:.4f} in "
        f"{len(random_ones)} draws.</p>"
    )
