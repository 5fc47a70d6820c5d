"""`gpt2.gelu`: the bend in GPT-2's MLP, in the form with tanh."""

from collections.abc import Iterator

from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("gelu", forbid=["gelu", "gelu_", "_addmm_activation"], batch=["x", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, centre, spread in [
        ("ordinary numbers", (2, 5, 7), 0, 1.5),
        ("numbers around 2.7, where two forms differ most", (3, 4, 6), 2.7, 0.3),
        ("negative numbers", (1, 3, 8), -2, 0.7),
        ("numbers near zero", (4, 2, 5), 0, 1e-3),
        ("large numbers, of both signs", (2, 6, 9), 0, 60),
        ("one axis", (11,), 0, 2),
    ]:
        yield Case(name, x=rng.normal(shape, centre, spread), cotangent=rng.normal(shape))


ask.checks(
    equal("output", title="GPT-2's GELU of every number, in the form with tanh", weight=2),
    equal("gradient", title="gradients reach the input"),
    stable("output", on=["large numbers, of both signs"], title="large numbers do not overflow in float32"),
)

ROUNDED = "The factor before the bracket is rounded: write it as math.sqrt(2 / math.pi)."
BEND = "0.5 * x * (1 + torch.tanh(inner))"

ask.mistakes(
    edit(
        BEND,
        "0.5 * x * (1 + torch.erf(x / math.sqrt(2)))",
        "This is the form with erf; GPT-2 has the one with tanh, up to 0.0005 away from it.",
    ),
    edit(
        BEND,
        "x * torch.sigmoid(1.702 * x)",
        "This is the form with a sigmoid of 1.702 x, up to 0.02 away: GPT-2 has the one with tanh.",
    ),
    edit(BEND, "x * torch.sigmoid(x)", "This is SiLU, x times sigmoid(x): GPT-2 has the form with tanh."),
    edit(BEND, "torch.relu(x)", "This is ReLU: GPT-2's step from 0 to 1 is smooth."),
    edit("0.5 * x * (", "0.5 * (", "This is the smooth step alone: it is to be multiplied by x."),
    edit(
        "0.5 * x * (1 + torch.tanh(inner))",
        "0.5 * x * 1 + torch.tanh(inner)",
        "The brackets around 1 + tanh are missing: half of x multiplies their sum.",
    ),
    edit(BEND, "x * torch.sigmoid(inner)", "The step is too wide: (1 + tanh u) / 2 is sigmoid(2 u), not sigmoid(u)."),
    edit("0.5 * x * (", "x * (", "The factor 0.5 is missing: 1 + tanh runs from 0 to 2."),
    edit(
        "(1 + torch.tanh(inner))", "torch.tanh(inner)", "The 1 beside the tanh is missing: add it before multiplying."
    ),
    edit("(1 + torch.tanh(inner))", "(1 - torch.tanh(inner))", "The tanh is subtracted: it is 1 + tanh."),
    edit(
        "math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)",
        "math.sqrt(2 / math.pi) * x + 0.044715 * x**3",
        "The root of 2 / pi multiplies x alone: it multiplies the cubic term, too.",
    ),
    edit(
        "math.sqrt(2 / math.pi)",
        "math.sqrt(2) / math.pi",
        "The root is drawn from 2 alone: it is the root of the whole quotient 2 / pi.",
    ),
    edit(
        "math.sqrt(2 / math.pi)",
        "2 / math.pi",
        "The root is missing: the factor inside the tanh is the root of 2 / pi.",
    ),
    edit(
        "math.sqrt(2 / math.pi)",
        "math.sqrt(math.pi / 2)",
        "The quotient is upside down: the factor inside the tanh is the root of 2 / pi.",
    ),
    *(
        edit("math.sqrt(2 / math.pi)", rounded, ROUNDED)
        for rounded in ("0.8", "0.798", "0.7979", "0.79788", "0.797885")
    ),
    edit("math.sqrt(2 / math.pi) *", "", "The factor before the bracket is missing: the root of 2 / pi."),
    edit("0.044715 * x**3", "0.044715 * x**2", "The small term is a square: it is a cube."),
    edit(
        "x + 0.044715 * x**3",
        "(x + 0.044715) * x**3",
        "A bracket closes too early: only 0.044715 multiplies the cube, and x is added to that.",
    ),
    edit("x + 0.044715 * x**3", "x", "The cubic term is missing: 0.044715 x^3, added to x."),
    edit("0.044715", "0.44715", "The constant before the cube is ten times too large: it is 0.044715."),
    edit("0.044715", "0.0044715", "The constant before the cube is ten times too small: it is 0.044715."),
    edit("0.044715", "0.0447", "The constant before the cube is rounded: it is 0.044715."),
    edit(
        "torch.tanh(inner)",
        "(torch.exp(2 * inner) - 1) / (torch.exp(2 * inner) + 1)",
        "This exponential overflows for large numbers, and infinity by infinity is NaN: torch.tanh does not.",
    ),
    edit(
        "torch.tanh(inner)",
        "torch.tanh(inner).detach()",
        "The tanh was cut from the graph: the gradient must flow through it, too.",
    ),
    edit(
        f"return {BEND}",
        "x *= 0.5 * (1 + torch.tanh(inner))\n    return x",
        "The input was changed in place: whoever passed it in still needs it as it was.",
    ),
)
