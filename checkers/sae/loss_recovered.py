"""`sae.loss_recovered`: what a network's loss says of an autoencoder in an activation's place."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("loss_recovered")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, d_model, latents, vocab), offset in [
        ("a few texts", (3, 5, 4, 9, 7), 1),
        ("one text", (1, 8, 3, 5, 6), 1),
        ("two tokens", (6, 2, 5, 4, 8), 2),
        ("activations far from 0", (4, 6, 2, 7, 9), 6),
    ]:
        shapes: dict[str, Any] = {
            "W_enc": (d_model, latents),
            "b_enc": latents,
            "W_dec": (latents, d_model),
            "b_dec": d_model,
        }
        x = rng.normal((batch, length, d_model), offset)
        yield Case(
            name,
            x=x,
            around=rng.normal((batch, length, d_model)) - offset,
            W_U=rng.normal((d_model, vocab), spread=2),
            tokens=rng.integers((batch, length), vocab),
            weights=weights(rng, 0.5, **shapes),
            mean=rng.normal((d_model,), offset),
        )


ask.checks(equal("numbers", title="gives the loss added, and the shares recovered from zero and from the mean"))

CLEAN = "clean = run(lambda x: x).mean()"
MADE = "made = run(lambda x: sae(x.flatten(0, -2))[0].reshape(x.shape)).mean()"
ZERO = "zero = run(torch.zeros_like).mean()"
MIDDLE = "middle = run(lambda x: mean.expand(x.shape)).mean()"
ADDED = '"added": made - clean,'
FROM_ZERO = '"recovered from zero": (zero - made) / (zero - clean),'
FROM_MEAN = '"recovered from the mean": (middle - made) / (middle - clean),'

ask.mistakes(
    edit(
        ADDED, '"added": clean - made,', "The loss added has the wrong sign: it is above 0 when the network gets worse."
    ),
    edit(ADDED, '"added": (made - clean) / clean,', "The loss added is divided by the clean loss: give it in nats."),
    edit(ADDED, '"added": made,', "This is the loss with the autoencoder: take the clean one from it."),
    edit(
        FROM_ZERO,
        '"recovered from zero": (made - clean) / (zero - clean),',
        "This is the share that is lost, 1 minus what is recovered.",
    ),
    edit(
        FROM_ZERO,
        '"recovered from zero": (zero - made) / zero,',
        "The share is taken of the zero-ablated loss: of what zero-ablation costs.",
    ),
    edit(FROM_ZERO, '"recovered from zero": (zero - clean) / (zero - made),', "The fraction is upside down."),
    edit(
        FROM_MEAN,
        '"recovered from the mean": (zero - made) / (zero - clean),',
        "Both shares are counted from zero: the second one's floor is the mean.",
    ),
    edit(
        FROM_MEAN,
        '"recovered from the mean": (middle - made) / (zero - clean),',
        "The share from the mean is divided by what zero-ablation costs.",
    ),
    edit(
        MIDDLE,
        "middle = run(lambda x: x.mean((0, 1)).expand(x.shape)).mean()",
        "The mean of this batch is put in: use the mean that is passed, which knows more texts.",
    ),
    edit(MIDDLE, "middle = run(lambda x: x - mean).mean()", "The mean is subtracted: it takes the activation's place."),
    edit(
        MIDDLE,
        "middle = run(lambda x: x.mean(-1, keepdim=True).expand(x.shape)).mean()",
        "The mean is taken over d_model: it is one vector, (d_model,), for all tokens.",
    ),
    edit(
        MADE,
        "made = run(lambda x: x - sae(x.flatten(0, -2))[0].reshape(x.shape)).mean()",
        "The autoencoder's error takes the activation's place: its reconstruction does.",
    ),
    edit(
        MADE,
        "made = run(lambda x: x + sae(x.flatten(0, -2))[0].reshape(x.shape)).mean()",
        "The reconstruction is added to the activation: it takes its place.",
    ),
    edit(
        MADE,
        "made = run(lambda x: sae(x.transpose(0, 1).flatten(0, -2))[0].reshape(x.shape)).mean()",
        "Texts and positions are mixed up when the activation is flattened.",
    ),
    edit(
        MADE,
        "made = run(lambda x: sae(x)[0]).mean()",
        "The autoencoder takes (batch, d_model): flatten texts and positions, and put them back.",
    ),
    edit(
        CLEAN,
        "clean = run(lambda x: x).sum()",
        "The clean loss is summed over tokens: take the mean, as of the others.",
    ),
    edit(ZERO, "zero = run(torch.ones_like).mean()", "Ones are put in the activation's place: zeros are."),
)
