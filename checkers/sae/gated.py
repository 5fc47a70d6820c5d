"""`sae.gated`: one path decides, another one measures, and the loss keeps them apart."""

from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("Gated", batch=["x", "along_latents"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_model, latents), coefficient, spread in [
        ("more latents than dimensions", (5, 4, 8), 0.3, 1),
        ("fewer latents than dimensions", (3, 7, 5), 2.0, 1),
        ("one activation", (1, 3, 10), 0.05, 1),
        ("one latent", (6, 5, 1), 1.0, 1),
        ("no penalty", (4, 2, 6), 0.0, 1),
        ("large activations", (2, 6, 9), 0.7, 100),
    ]:
        shapes: dict[str, Any] = {"W_gate": (d_model, latents), "b_gate": latents, "r_mag": latents, "b_mag": latents}
        yield Case(
            name,
            d_model=d_model,
            latents=latents,
            weights=weights(rng, 0.7, **shapes, W_dec=(latents, d_model), b_dec=d_model),
            x=rng.normal((batch, d_model), 0.3, spread),
            coefficient=coefficient,
            along_latents=rng.normal((batch, latents)),
            cotangent=torch.tensor(1.3).double(),
        )


ask.checks(
    equal("latents", title="a latent has its magnitude where its gate is open, and 0 elsewhere", weight=2),
    equal("gradient of encode", title="encoding, gradients go through the magnitudes, and none to b_gate"),
    equal("loss", title="adds the error, the price of the gates, and the error made from the gates", weight=2),
    equal(
        "gradient of loss",
        title="the gates send no gradient to the decoder, and all else gets its own",
        weight=2,
    ),
)

SHARED = "shared = (x - self.b_dec) @ self.W_gate  # (batch, latent)"
MAGNITUDE = "magnitude = torch.relu(shared * self.r_mag.exp() + self.b_mag)"
RETURN = "return (shared + self.b_gate > 0) * magnitude"
GATES = "gates = torch.relu((x - self.b_dec) @ self.W_gate + self.b_gate)  # (batch, latent)"
FROM = "from_gates = gates @ self.W_dec.detach() + self.b_dec.detach()"
ERRORS = "errors = (x - made).square().sum(-1) + (x - from_gates).square().sum(-1)  # (batch,)"
LOSS = "return (errors + coefficient * gates.sum(-1)).mean()"

ask.mistakes(
    edit(SHARED, "shared = x @ self.W_gate", "Encoding, b_dec is not taken from the input."),
    edit(MAGNITUDE, "magnitude = torch.relu(shared * self.r_mag + self.b_mag)", "r_mag is a logarithm: take its exp."),
    edit(MAGNITUDE, "magnitude = torch.relu(shared + self.b_mag)", "r_mag is never used: it scales the magnitudes."),
    edit(MAGNITUDE, "magnitude = torch.relu(shared * self.r_mag.exp())", "The bias b_mag is never added."),
    edit(
        MAGNITUDE,
        "magnitude = torch.relu((shared + self.b_mag) * self.r_mag.exp())",
        "b_mag is scaled, too: it is added after the scale.",
    ),
    edit(
        MAGNITUDE,
        "magnitude = torch.relu((shared + self.b_gate) * self.r_mag.exp() + self.b_mag)",
        "The gate's bias is in the magnitude: the two paths share W_gate, and no bias.",
    ),
    edit(
        MAGNITUDE,
        "magnitude = shared * self.r_mag.exp() + self.b_mag",
        "The magnitude has no ReLU: it may be negative.",
    ),
    edit(RETURN, "return (shared > 0) * magnitude", "The gate has no bias: add b_gate before it decides."),
    edit(RETURN, "return magnitude", "The gate is not used: where it is closed, the latent is 0."),
    edit(
        RETURN,
        "return torch.relu(shared + self.b_gate) * magnitude",
        "The gate multiplies by its strength: it is open or closed, 1 or 0.",
    ),
    edit(
        RETURN,
        "return torch.sigmoid(shared + self.b_gate) * magnitude",
        "The gate is half open everywhere: it is 1 or 0.",
    ),
    edit(RETURN, "return ((shared + self.b_gate > 0) * magnitude).detach()", "The latents were cut from the graph."),
    edit(
        FROM,
        "from_gates = gates @ self.W_dec + self.b_dec",
        "The gates' reconstruction trains the decoder, too: it is made with a frozen copy.",
    ),
    edit(
        FROM,
        "from_gates = gates @ self.W_dec.detach() + self.b_dec",
        "Of the frozen decoder, b_dec still learns: detach it as well.",
    ),
    edit(
        FROM,
        "from_gates = gates @ self.W_dec + self.b_dec.detach()",
        "Of the frozen decoder, W_dec still learns: detach it as well.",
    ),
    edit(
        FROM,
        "from_gates = (gates @ self.W_dec + self.b_dec).detach()",
        "The gates' reconstruction is cut off as a whole: it is what the gates learn from.",
    ),
    edit(
        GATES,
        "gates = torch.relu((x - self.b_dec.detach()) @ self.W_gate + self.b_gate)",
        "b_dec is frozen where it is taken from the input, too: only the decoder's copy is frozen.",
    ),
    edit(
        ERRORS,
        "errors = (x - made).square().sum(-1)",
        "The error made from the gates is missing: without it nothing tells a gate when to open.",
    ),
    edit(ERRORS, "errors = (x - from_gates).square().sum(-1)", "The error of the reconstruction itself is missing."),
    edit(
        LOSS,
        "return (errors + coefficient * self.encode(x).sum(-1)).mean()",
        "The price is on the latents, which shrinks them: it is on the gates.",
    ),
    edit(
        LOSS,
        "return (errors + coefficient * (gates > 0).sum(-1)).mean()",
        "Open gates are counted, and a count has no gradient: sum the gates.",
    ),
    edit(LOSS, "return errors.mean()", "There is no price on the gates."),
    edit(LOSS, "return (errors + 0.3 * gates.sum(-1)).mean()", "A coefficient is written into the code."),
    edit(LOSS, "return (errors + coefficient * gates.sum(-1)).sum()", "The batch is summed: take its mean."),
)

ask.survives(
    "return (shared + self.b_gate > 0) * magnitude",
    "return (shared + self.b_gate >= 0) * magnitude",
    "they differ only where a gate is 0 exactly, which no random input makes it",
)
