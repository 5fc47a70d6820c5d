"""`sae.toy_model`: features squeezed through a few numbers and opened up again, by one matrix."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("ToyModel")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (models, batch, features, d_hidden), spread in [
        ("three networks, five features in two dimensions", (3, 4, 5, 2), 1),
        ("one network", (1, 6, 7, 3), 1),
        ("one input each", (4, 1, 6, 2), 1),
        ("fewer features than dimensions", (2, 5, 3, 4), 1),
        ("one hidden number", (3, 2, 4, 1), 1),
        ("large inputs", (2, 3, 6, 5), 300),
        ("small inputs", (5, 7, 4, 3), 1e-3),
    ]:
        yield Case(
            name,
            models=models,
            features=features,
            d_hidden=d_hidden,
            weights=weights(rng, 0.8, W=(models, features, d_hidden), b=(models, features)),
            x=rng.uniform((models, batch, features), high=spread),
            cotangent=rng.normal((models, batch, features)),
        )


ask.checks(
    equal("reconstruction", title="squeezes by W, opens by W transposed, adds b, bends", weight=2),
    equal("gradient", title="gradients reach the input, W through both of its uses, and b"),
)

HIDDEN = "hidden = x @ self.W  # (model, batch, d_hidden)"
RETURN = "return torch.relu(hidden @ self.W.mT + self.b[:, None])"
CUT = "The {} use of W was cut from the graph: W has to learn from squeezing and from opening."

ask.mistakes(
    edit(RETURN, "return hidden @ self.W.mT + self.b[:, None]", "There is no ReLU at the end: interference stays."),
    edit(RETURN, "return torch.relu(hidden @ self.W.mT)", "The bias b is never added."),
    edit(
        RETURN,
        "return torch.relu(hidden @ self.W.mT) + self.b[:, None]",
        "b is added after the ReLU: add it before, where a negative bias can silence interference.",
    ),
    edit(
        RETURN,
        "return torch.relu(hidden @ self.W.mT - self.b[:, None])",
        "b is taken away: add it. The network learns its sign.",
    ),
    edit(
        HIDDEN,
        "hidden = torch.relu(x @ self.W)",
        "The hidden numbers are bent, too: they have to be able to be negative, or opposite directions are lost.",
    ),
    edit(
        HIDDEN + "\n        " + RETURN,
        "hidden = torch.relu(x @ self.W)\n        return hidden @ self.W.mT + self.b[:, None]",
        "The ReLU stands at the hidden numbers: it comes last, on what is returned.",
    ),
    edit(
        HIDDEN,
        "hidden = (x + self.b[:, None]) @ self.W",
        "b is added to the input as well: it comes once, after W transposed.",
    ),
    edit(
        RETURN,
        "return torch.nn.functional.gelu(hidden @ self.W.mT + self.b[:, None])",
        "The output is bent by a GELU: the toy model has a ReLU.",
    ),
    edit(
        RETURN,
        "return torch.sigmoid(hidden @ self.W.mT + self.b[:, None])",
        "The output goes through a sigmoid: the toy model has a ReLU.",
    ),
    edit("hidden = x @ self.W  #", "hidden = x @ self.W[0]  #", "All inputs are squeezed by the first network's W."),
    edit(
        RETURN,
        "return torch.relu(hidden @ self.W[0].T + self.b[0])",
        "All hidden numbers are opened by the first network's W and b.",
    ),
    edit(RETURN, "return torch.relu(hidden @ self.W.mT + self.b[0])", "Every network gets the first one's bias."),
    edit(
        RETURN,
        "return torch.relu(hidden @ self.W.mT + self.b.mean(0))",
        "The biases of the networks are averaged: each one has its own.",
    ),
    edit(
        "hidden = x @ self.W  #",
        "self.W.data = torch.nn.functional.normalize(self.W.data, dim=-1)\n        hidden = x @ self.W  #",
        "The rows of W are scaled to length 1: how long a direction is, is for the network to learn.",
    ),
    edit("hidden = x @ self.W  #", "hidden = x @ self.W.detach()  #", CUT.format("first")),
    edit("hidden @ self.W.mT", "hidden @ self.W.mT.detach()", CUT.format("second")),
    edit(RETURN, "return torch.relu(hidden @ self.W.mT + self.b.data[:, None])", "b was cut from the graph."),
    edit(
        RETURN,
        "return x.copy_(torch.relu(hidden @ self.W.mT + self.b[:, None]))",
        "The input was changed in place: return a tensor of its own.",
    ),
)
