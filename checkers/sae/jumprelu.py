"""`sae.jumprelu`: a hard threshold, with the slope that its estimator gives it.

The gradient of the threshold is not the derivative of what is computed, which is 0. It is that of the mean over noise:
-(theta / eps) 1[|z - theta| < eps / 2] is the derivative of E JumpReLU(z + eps u) by theta, u even in +-1/2. It is
asked for along a cotangent that is fixed at the hard output, so that nothing else of the loss is smoothed.
"""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("jumprelu", batch=["pre", "along_latents", "along_count"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, latents), bandwidth, centre in [
        ("a window of a half", (7, 5), 0.5, 1.0),
        ("a wide window", (6, 4), 1.6, 2.0),
        ("a narrow window", (40, 3), 0.05, 0.6),
        ("one input", (1, 9), 0.7, 0.8),
        ("one latent", (8, 1), 0.9, 0.5),
        ("large thresholds", (5, 6), 20.0, 60.0),
        ("small thresholds", (9, 7), 1e-3, 2e-3),
    ]:
        threshold = rng.uniform((latents,), 0.6 * centre, 1.4 * centre)
        pre = (threshold + 1.2 * bandwidth * rng.normal((batch, latents))).relu()
        pre[-1, -1] = 3 * threshold[-1]  # far above
        near = 1e-3 * bandwidth  # what is near a kink is moved off it, to where rounding decides nothing
        for kink in (threshold, threshold - bandwidth / 2, threshold + bandwidth / 2):
            pre = pre + ((pre - kink).abs() < near) * 3 * near
        yield Case(
            name,
            pre=pre,
            log_threshold=threshold.log(),
            bandwidth=bandwidth,
            along_latents=rng.normal((batch, latents)),
            along_count=rng.normal((batch,)),
        )


ask.checks(
    equal("latents", title="what is above its threshold stays as it was, the rest is 0", weight=2),
    equal("count", title="counts the latents above their thresholds, input by input"),
    equal(
        "gradient of the latents",
        title="the latents' gradients, to pre and, by the kernel, to the threshold",
        weight=2,
    ),
    equal("gradient of the count", title="the count's gradients, to the threshold alone", weight=2),
)

INSIDE = "inside = ((pre - threshold).abs() < bandwidth / 2).to(pre)"
ABOVE = "above = (pre > threshold).to(pre)"
SLOPE = "slope = (inside / bandwidth).detach()"
MOVED = "moved = slope * (threshold - threshold.detach())"
RETURN = "return pre * above - threshold.detach() * moved, (above - moved).sum(-1)"

ask.mistakes(
    edit(
        RETURN,
        "return (pre - threshold.detach()) * above - threshold.detach() * moved, (above - moved).sum(-1)",
        "Latents lose their threshold, (z - theta) 1[z > theta]: above it they stay as they were.",
    ),
    edit(
        RETURN,
        "return pre * above, (above - moved).sum(-1)",
        "The latents give the threshold no gradient, so the error never moves it.",
    ),
    edit(
        RETURN,
        "return pre * above - threshold.detach() * moved, above.sum(-1)",
        "The count gives the threshold no gradient: a plain comparison has none.",
    ),
    edit(RETURN, "return pre * above, above.sum(-1)", "The threshold gets no gradient at all: it needs the kernel's."),
    edit(
        RETURN,
        "return pre * above + threshold.detach() * moved, (above + moved).sum(-1)",
        "The threshold's gradients have the wrong sign: a higher threshold lets less through.",
    ),
    edit(
        RETURN,
        "return pre * above - moved, (above - moved).sum(-1)",
        "The latents' gradient is -1/eps: a latent that is shut loses its strength, theta, so it is -theta/eps.",
    ),
    edit(
        RETURN,
        "return pre * above - threshold.detach() * moved, (above - threshold.detach() * moved).sum(-1)",
        "The count's gradient is -theta/eps: a latent that is shut counts 1, so it is -1/eps.",
    ),
    edit(
        RETURN,
        "return pre * above - pre.detach() * moved, (above - moved).sum(-1)",
        "The latents' gradient has z in it: the estimator has theta, which z equals at the jump only.",
    ),
    edit(
        RETURN,
        "return pre + (pre * above - pre).detach() - threshold.detach() * moved, (above - moved).sum(-1)",
        "All of pre gets a gradient: only what is above its threshold does.",
    ),
    edit(
        MOVED,
        "moved = slope * ((threshold - pre) - (threshold - pre).detach())",
        "The kernel sends a gradient to pre as well: it is for the threshold alone.",
    ),
    edit(
        INSIDE,
        "inside = ((pre - threshold).abs() < bandwidth).to(pre)",
        "The window is eps to either side: it is eps wide, half of it to either side.",
    ),
    edit(
        INSIDE,
        "inside = ((pre - threshold).abs() < bandwidth / 4).to(pre)",
        "The window is too narrow: eps / 2 to either side.",
    ),
    edit(
        INSIDE,
        "inside = ((pre > threshold) & (pre < threshold + bandwidth / 2)).to(pre)",
        "Only what is just above the threshold counts: the window reaches to either side.",
    ),
    edit(SLOPE, "slope = inside.detach()", "The kernel's height is 1: it is 1 / eps, so that its area is 1."),
    edit(SLOPE, "slope = (inside / 0.5).detach()", "A bandwidth is written into the code: use the one that is passed."),
    edit(
        MOVED,
        "moved = slope * (log_threshold - log_threshold.detach())",
        "The factor between theta and its logarithm is missing: d theta / d log theta is theta.",
    ),
    edit(ABOVE, "above = (pre > 0).to(pre)", "The threshold is not used: what is above 0 passes."),
    edit(
        ABOVE, "above = (pre > log_threshold).to(pre)", "pre is compared with the threshold's logarithm: take its exp."
    ),
    edit(
        ABOVE, "above = torch.sigmoid((pre - threshold) / bandwidth)", "The step is smooth: a latent is open or shut."
    ),
    edit(RETURN, RETURN.replace(".sum(-1)", ".sum()"), "The batch is summed: return a number for each input."),
    edit(RETURN, RETURN.replace(".sum(-1)", ".mean(-1)"), "The count is averaged over latents: sum it."),
)

EDGE = "they differ only on the threshold or on an edge of the window, where there is no one slope: no input lies there"
ask.survives(INSIDE, INSIDE.replace("<", "<="), EDGE)
ask.survives(ABOVE, ABOVE.replace(">", ">="), EDGE)
