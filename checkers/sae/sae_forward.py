"""`sae.sae_forward`: an activation as a sum of few directions."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("SAE", batch=["x", "code", "along_latents", "along_x"])


def sizes_of(rng: Rng, batch: int, d_model: int, latents: int, spread: float = 1) -> dict[str, Any]:
    """The inputs that every autoencoder is asked with: weights, none of them 0 or of length 1, and activations."""
    shapes: dict[str, Any] = {
        "W_enc": (d_model, latents),
        "b_enc": latents,
        "W_dec": (latents, d_model),
        "b_dec": d_model,
    }
    return {
        "d_model": d_model,
        "latents": latents,
        "weights": weights(rng, 0.7, **shapes),
        "x": rng.normal((batch, d_model), 0.3, spread),
        "along_latents": rng.normal((batch, latents)),
        "along_x": rng.normal((batch, d_model)),
    }


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, sizes, spread in [
        ("twice as many latents as dimensions", (5, 4, 8), 1),
        ("fewer latents than dimensions", (3, 7, 5), 1),
        ("one activation", (1, 3, 10), 1),
        ("one latent", (4, 6, 1), 1),
        ("large activations", (2, 5, 9), 300),
        ("small activations", (6, 2, 7), 1e-3),
    ]:
        batch, _, latents = sizes
        code = rng.normal((batch, latents)).relu() * spread
        yield Case(name, **sizes_of(rng, *sizes, spread), code=code)


ask.checks(
    equal("latents", title="encodes: centred by b_dec, through W_enc and b_enc, bent by the ReLU", weight=2),
    equal("reconstruction", title="decodes: latents times the rows of W_dec, plus b_dec", weight=2),
    equal("both", title="returns reconstruction and latents"),
    equal("gradient of encode", title="encoding, gradients reach the input, W_enc, b_enc and b_dec"),
    equal("gradient of decode", title="decoding, gradients reach the latents, W_dec and b_dec"),
)

ENCODE = "return torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)"
DECODE = "return latents @ self.W_dec + self.b_dec"

ask.mistakes(
    edit(
        ENCODE,
        "return torch.relu(x @ self.W_enc + self.b_enc)",
        "b_dec is not taken from the input: latents are to describe what differs from it.",
    ),
    edit(ENCODE, ENCODE.replace("x - self", "x + self"), "b_dec is added to the input: take it away."),
    edit(ENCODE, "return torch.relu((x - self.b_dec) @ self.W_enc)", "The bias b_enc is never added."),
    edit(
        ENCODE,
        "return torch.relu((x - self.b_dec) @ self.W_enc - self.b_enc)",
        "b_enc is taken away: add it. The autoencoder learns its sign.",
    ),
    edit(
        ENCODE,
        "return torch.relu((x - self.b_dec) @ self.W_enc) + self.b_enc",
        "b_enc is added after the ReLU: add it before, where it decides whether a latent is active.",
    ),
    edit(
        ENCODE,
        "return (x - self.b_dec) @ self.W_enc + self.b_enc",
        "There is no ReLU: a latent is a strength, and never negative.",
    ),
    edit(
        ENCODE,
        "return ((x - self.b_dec) @ self.W_enc + self.b_enc).abs()",
        "Negative values are made positive: the ReLU sets them to 0.",
    ),
    edit(
        ENCODE,
        "return torch.nn.functional.gelu((x - self.b_dec) @ self.W_enc + self.b_enc)",
        "The latents are bent by a GELU, which is hardly ever exactly 0: use a ReLU.",
    ),
    edit(
        ENCODE,
        "return torch.relu((x - self.b_dec) @ self.W_dec.T + self.b_enc)",
        "The encoder uses W_dec transposed: W_enc is a matrix of its own.",
    ),
    edit(
        ENCODE,
        "return torch.relu((x - self.b_dec.detach()) @ self.W_enc + self.b_enc)",
        "Where it is taken from the input, b_dec was cut from the graph: it learns from both of its places.",
    ),
    edit(ENCODE, ENCODE.replace("x - ", "x.detach() - "), "The input was cut from the graph."),
    edit(
        ENCODE,
        ENCODE.replace("(x - self.b_dec)", "(x.sub_(self.b_dec))"),
        "The input was changed in place: whoever passed it in still needs it.",
    ),
    edit(DECODE, "return latents @ self.W_dec", "b_dec is not added back: what was taken away has to return."),
    edit(DECODE, "return latents @ self.W_dec - self.b_dec", "b_dec is taken away a second time: add it back."),
    edit(
        DECODE, "return torch.relu(latents @ self.W_dec + self.b_dec)", "The reconstruction is bent: leave it straight."
    ),
    edit(
        DECODE,
        "return latents @ torch.nn.functional.normalize(self.W_dec, dim=-1) + self.b_dec",
        "The rows of W_dec are scaled to length 1 here: use them as they are.",
    ),
    edit(
        DECODE,
        "return latents @ self.W_enc.T + self.b_dec",
        "The decoder uses W_enc transposed: W_dec is a matrix of its own.",
    ),
    edit(DECODE, "return latents.detach() @ self.W_dec + self.b_dec", "The latents were cut from the graph."),
    edit(DECODE, "return latents @ self.W_dec.data + self.b_dec", "W_dec was cut from the graph."),
    edit(
        DECODE,
        "return latents @ self.W_dec + self.b_dec.detach()",
        "Where it is added back, b_dec was cut from the graph.",
    ),
)
