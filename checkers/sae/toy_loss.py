"""`sae.toy_loss`: the squared error, weighted by importance, a number for each network."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("toy_loss")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, spread, off in [
        ("three networks", (3, 4, 6), 1, 0.5),
        ("as many networks as inputs", (5, 5, 3), 1, 0.5),
        ("one network", (1, 7, 4), 1, 0.5),
        ("one input each", (4, 1, 5), 1, 0.5),
        ("one feature", (2, 3, 1), 1, 0.5),
        ("large errors", (2, 6, 5), 1, 200),
        ("small errors", (3, 5, 7), 1, 1e-4),
    ]:
        x = rng.uniform(shape, high=spread)
        yield Case(
            name,
            reconstruction=x + rng.normal(shape, spread=off),
            x=x,
            importance=rng.uniform((shape[0], shape[2]), 0.1, 3),
            cotangent=rng.normal(shape[:1]),
        )


ask.checks(
    equal("loss", title="weights each feature's squared error and takes the mean, network by network", weight=2),
    equal("gradient", title="gradients reach the reconstruction, the input and the importance"),
)

ERROR = "error = (reconstruction - x).square()  # (model, batch, feature)"
RETURN = "return (importance[:, None] * error).mean((1, 2))"

ask.mistakes(
    edit(RETURN, "return error.mean((1, 2))", "The importance is not used: each feature's error is multiplied by it."),
    edit(RETURN, "return (importance[:, None].square() * error).mean((1, 2))", "The importance is squared: it is not."),
    edit(
        RETURN,
        "return (importance[:, None] * error).mean()",
        "The networks are averaged into one number: return the loss of each, (model,).",
    ),
    edit(
        RETURN,
        "return (importance[:, None] * error).sum((1, 2))",
        "The errors are summed: take the mean over batch and features.",
    ),
    edit(
        RETURN,
        "return (importance[:, None] * error).sum(2).mean(1)",
        "The errors are summed over features: take their mean, as over the batch.",
    ),
    edit(
        RETURN,
        "return (importance[:, None] * error).sum(1).mean(1)",
        "The errors are summed over the batch: take their mean, as over features.",
    ),
    edit(
        RETURN,
        "return (importance[:, None] * error).sum((1, 2)) / (importance[:, None].expand_as(error)).sum((1, 2))",
        "The weights are made to sum to 1: divide by the number of entries, whatever the importance is.",
    ),
    edit(
        RETURN,
        "return (importance * error).mean((1, 2))",
        "The importance has no axis for the batch, so its networks are taken for inputs: use `importance[:, None]`.",
    ),
    edit(
        RETURN,
        "return (importance[0] * error).mean((1, 2))",
        "All networks get the first one's importance: each one has its own.",
    ),
    edit(
        RETURN,
        "return (importance[:, None] * error).mean((1, 2)).sqrt()",
        "The root is taken: the loss is the mean square itself.",
    ),
    edit(ERROR, "error = (reconstruction - x).abs()", "The error is not squared."),
    edit(ERROR, "error = (reconstruction - x).square() / 2", "There is a factor of one half that was not asked for."),
    edit(
        ERROR,
        "error = (reconstruction - x.detach()).square()",
        "The input was cut from the graph: nothing is to be cut here, whatever is trained with it.",
    ),
    edit(RETURN, "return (importance[:, None] * error.detach()).mean((1, 2))", "The error was cut from the graph."),
    edit(
        RETURN,
        "return (importance[:, None].detach() * error).mean((1, 2))",
        "The importance was cut from the graph: nothing is to be cut here.",
    ),
    edit(
        ERROR,
        "error = reconstruction.sub_(x).square()",
        "The reconstruction was changed in place: make a tensor of the difference.",
    ),
)
