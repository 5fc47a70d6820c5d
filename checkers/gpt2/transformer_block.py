"""`gpt2.transformer_block`: attention, then an MLP; each reads through its own LayerNorm and adds to the stream."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

Shapes = dict[str, int | Sequence[int]]

ask = Exercise("TransformerBlock", batch=["residual", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, width, d_mlp), eps in [
        ("two heads", (3, 5, 2, 4, 7), 1e-5),
        ("one head, eps 0.1", (2, 4, 1, 6, 11), 0.1),
        ("a batch of one", (1, 7, 3, 2, 5), 1e-3),
        ("one position", (4, 1, 2, 3, 9), 0.02),
    ]:
        model = heads * width
        yield Case(
            name,
            d_model=model,
            n_heads=heads,
            d_mlp=d_mlp,
            eps=eps,
            weights=block_weights(rng, heads, width, d_mlp),
            parts=weights(rng, 0.6, **{"ln1.w": model, "ln1.b": model, "ln2.w": model, "ln2.b": model})
            | weights(rng, 0.5, **{"attn.W": (model, model), "mlp.W": (model, model)}),
            residual=rng.normal((batch, length, model)),
            cotangent=rng.normal((batch, length, model)),
        )


def block_weights(rng: Rng, heads: int, width: int, d_mlp: int) -> dict[str, Tensor]:
    """All parameters of a block by name, none of them trivial. `width` is that of a head."""
    model = heads * width
    into, out = (heads, model, width), (heads, width, model)
    shapes: Shapes = {"ln1.w": model, "ln1.b": model, "attn.W_O": out, "attn.b_O": model}
    shapes |= {"attn.W_Q": into, "attn.W_K": into, "attn.W_V": into}
    shapes |= {f"attn.b_{letter}": (heads, width) for letter in "QKV"}
    shapes |= {"ln2.w": model, "ln2.b": model, "mlp.W_in": (model, d_mlp), "mlp.b_in": d_mlp}
    shapes |= {"mlp.W_out": (d_mlp, model), "mlp.b_out": model}
    return weights(rng, 0.5, **shapes)


ask.checks(
    equal(
        "output with our parts",
        "output as it stands",
        title="attention, then the MLP, each reads the stream through its own norm and adds to it",
        weight=2,
    ),
    equal(
        "gradient with our parts",
        "gradient as it stands",
        title="gradients reach the incoming stream and the parameters of all four parts",
    ),
)

ATTENTION, MLP = "residual + self.attn(self.ln1(residual))", "middle + self.mlp(self.ln2(middle))"

ask.mistakes(
    edit(
        f"{ATTENTION}  # (batch, position, d_model)\n        return {MLP}",
        "self.ln1(residual + self.attn(residual))\n        return self.ln2(middle + self.mlp(middle))",
        "The norms come after the additions, as in the first transformers: GPT-2 normalises what a layer reads, "
        "and adds to the raw stream.",
    ),
    edit(
        "self.mlp(self.ln2(middle))",
        "self.mlp(self.ln1(middle))",
        "Both layers read through ln1: the MLP has a LayerNorm of its own, ln2.",
    ),
    edit(
        "self.attn(self.ln1(residual))",
        "self.attn(self.ln2(residual))",
        "Both layers read through ln2: attention has a LayerNorm of its own, ln1.",
    ),
    edit(
        "self.mlp(self.ln2(middle))",
        "self.mlp(self.ln2(residual))",
        "The MLP reads the stream from before attention: let it read what attention has added, too.",
    ),
    edit(
        "self.mlp(self.ln2(middle))",
        "self.mlp(self.ln1(residual))",
        "Attention and the MLP work side by side on one normalised copy: the MLP comes second, and reads through ln2 "
        "what attention has added.",
    ),
    edit(
        "self.mlp(self.ln2(middle))",
        "self.mlp(middle)",
        "The MLP reads the raw stream: put it through ln2 first.",
    ),
    edit(
        "self.attn(self.ln1(residual))",
        "self.attn(residual)",
        "Attention reads the raw stream: put it through ln1 first.",
    ),
    edit(
        f"middle = {ATTENTION}",
        "middle = self.attn(self.ln1(residual))",
        "After attention the stream is gone: add what attention returns to the stream that came in.",
    ),
    edit(
        f"return {MLP}",
        "return self.mlp(self.ln2(middle))",
        "The MLP's output is returned alone: add it to the stream.",
    ),
    edit(
        f"return {MLP}",
        "return residual + self.mlp(self.ln2(middle))",
        "The MLP's output is added to the stream from before the block, so what attention wrote is lost: "
        "add it to the stream after attention.",
    ),
    edit(
        f"middle = {ATTENTION}",
        "middle = self.ln1(residual) + self.attn(self.ln1(residual))",
        "Attention's output is added to the normalised copy: add it to the stream itself.",
    ),
    edit(
        f"return {MLP}",
        "return self.ln2(middle) + self.mlp(self.ln2(middle))",
        "The MLP's output is added to the normalised copy: add it to the stream itself.",
    ),
    edit(
        f"{ATTENTION}  # (batch, position, d_model)\n        return {MLP}",
        "residual + self.mlp(self.ln2(residual))\n        return middle + self.attn(self.ln1(middle))",
        "The MLP comes before attention: attention first.",
    ),
    edit(
        f"{ATTENTION}  # (batch, position, d_model)\n        return {MLP}",
        "residual + self.attn(self.ln2(residual))\n        return middle + self.mlp(self.ln1(middle))",
        "The two norms are swapped: attention reads through ln1, the MLP through ln2.",
    ),
    edit(
        f"middle = {ATTENTION}  # (batch, position, d_model)\n        return {MLP}",
        "residual += self.attn(self.ln1(residual))\n        residual += self.mlp(self.ln2(residual))\n"
        "        return residual",
        "`+=` changes the stream that was passed in, and others still read it: write `residual = residual + ...`.",
    ),
    edit(
        f"return {MLP}",
        "return self.attn(self.ln1(residual)) + self.mlp(self.ln2(middle))",
        "What came in is missing from what goes out: return the whole stream, not what the block adds to it.",
    ),
    edit(
        f"middle = {ATTENTION}",
        "middle = residual.detach() + self.attn(self.ln1(residual))",
        "The stream was cut from the graph (detach, .data, .item or no_grad): gradients must pass the block, too.",
    ),
    edit(
        "self.ln2 = LayerNorm(d_model, eps)",
        "self.ln2 = LayerNorm(d_model)",
        "A LayerNorm is made without eps: both get the eps that the block was given.",
    ),
    edit(
        "self.ln1 = LayerNorm(d_model, eps)",
        "self.ln1 = LayerNorm(d_model)",
        "A LayerNorm is made without eps: both get the eps that the block was given.",
    ),
)
