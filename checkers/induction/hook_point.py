"""`induction.hook_point`: a place in a network where an activation has a name, with hooks that come and go."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("HookPoint", batch=["activation", "patch", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape in [("three axes", (3, 2, 5)), ("four axes", (2, 4, 1, 3)), ("one number a text", (4, 1))]:
        yield Case(name, activation=rng.normal(shape), patch=rng.normal(shape), cotangent=rng.normal(shape))


ask.checks(
    equal("replaced by each", title="what a hook returns takes the activation's place, hook after hook", weight=2),
    equal("shown", title="a hook is shown the activation as those before left it, and the hook point"),
    equal("without hooks", title="without a replacement, the very tensor that came in goes out"),
    equal("zeros", title="zeros are a replacement like any other"),
    equal("after removal", title="a hook that is taken off is gone, once and for all; the others stay"),
    equal("one of two alike", title="of a function that was added twice, the right one goes"),
    equal("takes itself off", title="a hook may take itself off while it is called"),
    equal("another's hooks", title="every hook point has hooks of its own"),
    equal("gradient", title="gradients flow through the hook point and its hooks"),
    equal("stored", title="a hook point has nothing that is stored with the weights"),
)

LOOP = "for hook in list(self.hooks.values()):"
PUT = "            if made is not None:\n                value = made\n"

ask.mistakes(
    edit(PUT, "", "What a hook returns is thrown away: unless it is None, it takes the activation's place."),
    edit(
        PUT,
        "            value = made\n",
        "A hook that returns None puts None in the activation's place: leave it as it is then.",
    ),
    edit(
        "if made is not None:",
        "if made is not None and bool(made.any()):",
        "A replacement that is all zeros is taken for nothing: only None leaves the activation as it is.",
    ),
    edit(
        PUT,
        "            value = made or value\n",
        "`or` asks a tensor whether it is true, which fails or takes zeros for nothing: compare with None.",
    ),
    edit(
        LOOP,
        "for hook in reversed(self.hooks.values()):",
        "The hooks run in reverse order: the one that was added first runs first.",
    ),
    edit(
        LOOP + "  # a copy, since a hook may take itself off\n            made = hook(value, self)",
        "given = value\n        " + LOOP + "\n            made = hook(given, self)",
        "Every hook is shown the activation that came in: it should see what the hooks before it made of it.",
    ),
    edit(
        LOOP,
        "for hook in self.hooks.values():",
        "The hooks are walked through while one of them takes itself off, which Python does not allow: walk "
        "through a copy.",
    ),
    edit(
        "made = hook(value, self)",
        "made = hook(self, value)",
        "The hook is called with (hook_point, activation): the activation comes first.",
    ),
    edit(
        "made = hook(value, self)",
        "made = hook(value)",
        "The hook is called with the activation alone: it takes the hook point as well.",
    ),
    edit(
        "made = hook(value, self)",
        "made = hook(value.detach(), self)",
        "Hooks are shown a detached activation, so no gradient flows through what they make of it: hand them "
        "the activation.",
    ),
    edit(
        PUT,
        "            if made is not None:\n                return made\n",
        "The first hook that replaces the activation ends the round: those behind it are to be called as well.",
    ),
    edit(
        PUT,
        "            if made is not None:\n                value.data.copy_(made)\n",
        "The replacement is written into the tensor that came in, which others may hold: let the new one take its "
        "place.",
    ),
    edit(
        "            self.hooks.pop(key, None)",
        "            self.hooks and self.hooks.popitem()",
        "The last hook is removed, whichever was added: take off the one that this function belongs to.",
    ),
    edit(
        "        return remove\n",
        "        return key\n",
        "What comes back is no function: return one without arguments that takes the hook off.",
    ),
    edit(
        "        return value\n",
        "        return value.clone()\n",
        "A copy goes out: a hook point returns the tensor it is given.",
    ),
    edit(
        "        return value\n",
        "        return value.detach()\n",
        "What goes out is cut from the graph: gradients must flow through a hook point.",
    ),
    edit(
        "            self.hooks.pop(key, None)",
        "            self.hooks.clear()",
        "Removing one hook removes all: take off the one that was added.",
    ),
    edit(
        "            self.hooks.pop(key, None)",
        "            self.hooks.pop(key)",
        "Removing a hook a second time raises an error: it should do nothing.",
    ),
    edit(
        "            self.hooks.pop(key, None)",
        "            pass",
        "Nothing is removed: the function that comes back should take the hook off.",
    ),
    edit(
        "        key = object()\n",
        "        key = hook\n",
        "The function itself is the key, so one that is added twice runs once: give each a key of its own.",
    ),
    edit(
        "        key = object()\n",
        "        key = len(self.hooks)\n",
        "The number of hooks is the key, so after a removal a new hook overwrites an old one: give each a key "
        "of its own.",
    ),
)
