"""`ioi.minimality`: what each member adds to a circuit, where it shows most."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.games import games
from headwork.checkers.probing import Case

ask = Exercise("minimality")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in games(rng):
        yield Case(name, **inputs)


ask.checks(equal("shares", title="gives each member's largest effect, and 0 for all other nodes"))

LEFT = "left = circuit & ~sets  # (set, node)"
EFFECT = "effect = (run(left[:, None] & ~single) - run(left)[:, None]).mean(-1)  # (set, member, metric)"
ENDS = "whole, none = run(torch.stack([torch.ones_like(circuit), torch.zeros_like(circuit)])).mean(-1)  # (metric,)"
SHARES = "shares = (effect / (whole - none)).abs().amax(-1)  # (set, member)"
RESULT = "return torch.where(left, shares, 0).amax(0)"
NO_K = "K is not taken away: a member whose work others take over shows only where they are gone."
FROM_MODEL = "The member is taken from the model: take it from the circuit, in which only the members work."

ask.mistakes(
    edit(
        EFFECT,
        "effect = (run(left[:, None] & ~single) - run(circuit[None])[:, None]).mean(-1)",
        "Compared is with the whole circuit, so K's own effect is counted too: compare with the circuit without K.",
    ),
    edit(
        EFFECT,
        "effect = (run((circuit & ~single)[None].expand(len(sets), -1, -1)) - run(circuit[None])[:, None]).mean(-1)",
        NO_K,
    ),
    edit(LEFT, "left = circuit & ~torch.zeros_like(sets)", NO_K),
    edit(
        LEFT + "\n    " + EFFECT,
        "left = (circuit & ~sets)[:, None] | single & circuit\n"
        "    effect = (run(left & ~single) - run(left)).mean(-1)\n    left = circuit.expand_as(sets)",
        "A K that contains the member is asked as well, without it: only those K count that do not contain it.",
    ),
    edit(LEFT, "left = ~sets", FROM_MODEL),
    edit(EFFECT, "effect = (run((~sets)[:, None] & ~single) - run(~sets)[:, None]).mean(-1)", FROM_MODEL),
    edit(
        ENDS,
        ENDS + "\n    whole, none = (run(torch.ones_like(circuit)) - run(torch.zeros_like(circuit))).abs().mean(-1), 0",
        "In the scale the absolute value of each prompt comes before the mean: it is |mean of m(M) - mean of m(none)|.",
    ),
    edit(
        EFFECT,
        "effect = (run(left[:, None] & ~single) - run(left)[:, None]).abs().mean(-1)",
        "The absolute value of each prompt comes before the mean: noise then counts as an effect. Take means first.",
    ),
    edit(
        EFFECT,
        "effect = (run(left[:, None] & single) - run(left)[:, None]).mean(-1)",
        "The member alone is left: take the member away, and leave the rest.",
    ),
    edit(
        ENDS,
        "whole, none = run(torch.stack([torch.ones_like(circuit), torch.zeros_like(circuit)])).mean(-1)\n"
        "    whole = run(circuit).mean(-1)",
        "The scale is the circuit's effect: it is the whole model's, m(M) - m(none).",
    ),
    edit(
        SHARES,
        "shares = (effect / whole).abs().amax(-1)",
        "The effect is divided by the model's own answers: divide by m(M) - m(none).",
    ),
    edit(
        SHARES,
        "shares = effect.abs().amax(-1)",
        "This is in the metric's own unit: divide by |m(M) - m(none)|.",
    ),
    edit(
        SHARES,
        "shares = (effect / (none - whole)).amax(-1)",
        "Only a fall of the metric counts: a member that holds it down adds something too. Take the absolute value.",
    ),
    edit(
        SHARES,
        "shares = (effect / (whole - none)).abs().mean(-1)",
        "The metrics are averaged: take the one in which it shows most.",
    ),
    edit(
        SHARES,
        "shares = (effect / (whole - none)).abs()[..., 0]",
        "Only the first metric is looked at: take the one in which it shows most.",
    ),
    edit(
        RESULT,
        "return torch.where(left, shares, 0).mean(0)",
        "The sets are averaged: take the K by which it shows most.",
    ),
    edit(
        RESULT,
        "return torch.where(left, shares, 0)[0]",
        "Only the first K is looked at: take the one by which it shows most.",
    ),
    edit(
        RESULT,
        "return torch.where(left, shares, 0).amax(0)[circuit]",
        "Only the members' numbers are returned: there is one for every node, 0 for those that are no members.",
    ),
)
