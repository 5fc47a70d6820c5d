"""`sae.transcoder`: an MLP described by latents, its loss, and how latents of two layers are connected."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("Transcoder", "transcoder_loss", "latent_connections")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, d_in, d_out, latents, later), coefficient in [
        ("more latents than numbers", (5, 4, 6, 11, 3), 0.3),
        ("as wide as it writes", (3, 7, 7, 5, 9), 2.0),
        ("one input", (1, 5, 3, 8, 4), 0.05),
        ("no penalty", (4, 3, 5, 6, 2), 0.0),
    ]:
        shapes: dict[str, Any] = {
            "W_enc": (d_in, latents),
            "b_enc": latents,
            "W_dec": (latents, d_out),
            "b_dec": d_out,
            "W_skip": (d_in, d_out),
        }
        yield Case(
            name,
            weights=weights(rng, 0.8, **shapes),
            x=rng.normal((batch, d_in)),
            cotangent=rng.normal((batch, d_out)),
            later=rng.normal((d_out, later)),
            later_rows=rng.normal((later, 2)),
            written=rng.normal((batch, d_out)),
            made=rng.normal((batch, d_out)),
            code=rng.uniform((batch, latents), 0.1, 3),  # above 0, where L1 may be written with `abs`
            coefficient=coefficient,
        )


ask.checks(
    equal("written", title="says what the MLP writes, by latents and by the skip", weight=2),
    equal("latents", title="returns the latents"),
    equal("gradient of written", title="gradients reach the input and all parameters"),
    equal("loss", title="adds squared errors and latents weighed by their rows' lengths", weight=2),
    equal("gradient of loss", title="gradients of the loss reach latents and rows"),
    equal("connections", title="connects latents of two layers by their weights"),
)

ENCODE = "latents = torch.relu(x @ self.W_enc + self.b_enc)"
DECODE = "return latents @ self.W_dec + x @ self.W_skip + self.b_dec, latents"
ERROR = "error = (written - made).square().sum(-1)  # (batch,)"
LOSS = "return (error + coefficient * latents @ W_dec.norm(dim=-1)).mean()"
CONNECT = "return earlier.W_dec @ later.W_enc"

ask.mistakes(
    edit(
        ENCODE,
        "latents = torch.relu((x - x.mean(0)) @ self.W_enc + self.b_enc)",
        "The batch's mean is subtracted: an input's latents are not to depend on others.",
    ),
    edit(ENCODE, "latents = torch.relu(x @ self.W_enc)", "b_enc is missing."),
    edit(ENCODE, "latents = x @ self.W_enc + self.b_enc", "The latents are not bent: a latent is never negative."),
    edit(
        DECODE,
        "return torch.relu(latents @ self.W_dec + x @ self.W_skip + self.b_dec), latents",
        "What is written is bent: an MLP writes negative numbers too.",
    ),
    edit(DECODE, "return latents @ self.W_dec + self.b_dec, latents", "The skip is missing: x @ W_skip is added."),
    edit(DECODE, "return latents @ self.W_dec + x @ self.W_skip, latents", "b_dec is missing."),
    edit(
        DECODE,
        "return latents @ self.W_dec + (x @ self.W_skip).detach() + self.b_dec, latents",
        "The skip was cut from the graph, so it never learns.",
    ),
    edit(ERROR, "error = (written - made).square().mean(-1)", "The squares are averaged over d_out: sum them."),
    edit(ERROR, "error = (written - made).abs().sum(-1)", "These are absolute errors: square them."),
    edit(
        LOSS,
        "return (error + coefficient * latents.sum(-1)).mean()",
        "Latents are not weighed by the lengths of their rows: the penalty could be had for nothing by long rows.",
    ),
    edit(
        LOSS,
        "return (error + coefficient * latents @ W_dec.square().sum(-1)).mean()",
        "Latents are weighed by squared lengths: by lengths.",
    ),
    edit(
        LOSS,
        "return (error + coefficient * latents @ W_dec.norm(dim=-1).detach()).mean()",
        "The rows' lengths were cut from the graph: the penalty is to shorten rows as well.",
    ),
    edit(
        LOSS, "return (error + coefficient * latents @ W_dec.norm(dim=-1)).sum()", "The batch is summed: take its mean."
    ),
    edit(LOSS, "return error.mean()", "The penalty is missing."),
    edit(LOSS, "return (error + 0.3 * latents @ W_dec.norm(dim=-1)).mean()", "A coefficient is written into the code."),
    edit(
        CONNECT,
        "return (earlier.W_dec @ later.W_enc).T",
        "The axes are swapped: earlier latents come first.",
    ),
    edit(
        CONNECT,
        "return earlier.W_dec @ later.W_enc + later.b_enc",
        "The later bias is added: it is there whoever is active, and no connection.",
    ),
    edit(
        CONNECT,
        "return torch.relu(earlier.W_dec @ later.W_enc)",
        "The connections are bent: a latent may hold another one down.",
    ),
)

ask.survives(
    "return earlier.W_dec @ later.W_enc",
    "return (earlier.W_dec @ later.W_enc).detach()",
    "Connections are read and not trained through: the text asks for their values alone.",
)
