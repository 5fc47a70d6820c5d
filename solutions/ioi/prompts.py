"""Chapter `ioi`: prompts in which somebody gives something to somebody, and corrupted twins of them.

IO is the indirect object, S the subject. A prompt names IO once and S twice, S1 and S2; the answer is IO. The twins
have other names in the same places, so that position p of one is position p of the other.
Source: Wang et al. 2022, section 2 and appendix A; the terms are theirs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Prompts:
    """Prompts of several templates. Each begins with BOS; shorter ones are filled up with it at the end."""

    tokens: Tensor  # (prompt, position)
    io: Tensor  # (prompt,), the token of IO, the right answer
    s: Tensor  # (prompt,), the token of S
    absent: Tensor  # (prompt, name), the tokens of all the names that the prompt does not contain
    template: Tensor  # (prompt,), which of the templates it is made from
    order: Tensor  # (prompt,), 0 where IO is named before S (ABBA), 1 where S is named first (BABA)
    positions: dict[str, Tensor]  # where "IO", "S1", "S1+1", "S2" and "END" stand in each prompt, (prompt,)


def ioi_prompts(
    tokenizer: Any, templates: list[str], names: list[str], count: int, generator: torch.Generator
) -> Prompts:
    """So many prompts, as many of each template in each order as can be, with names that are single tokens.

    tokenizer: a `headwork.models.tokenizer.Tokenizer`. templates: texts with {A} and {B}, two people in the order in
    which they are named first, and later {S}, which is one of them. Names that are not one token after a space are left
    out; every pair of the others is as likely as every other. Draws from `generator` alone, on its device.
    """
    ### BEGIN SOLUTION
    device = generator.device
    single = {name: ids[0] for name in names if len(ids := tokenizer.encode(f" {name}")) == 1}
    people, known = list(single), torch.tensor(list(single.values()), device=device)
    kinds = 2 * len(templates)  # each template in both orders
    rounds = [torch.randperm(kinds, generator=generator, device=device) for _ in range(-(-count // kinds))]
    kind = torch.cat(rounds)[:count]  # the last round may stop half way: which kinds it leaves out is random
    template, order = kind // 2, kind % 2
    drawn = torch.rand(count, len(people), generator=generator, device=device).argsort(1)  # IO, S, then all others

    rows = []
    for (io, s), which, swapped in zip(drawn[:, :2].tolist(), template.tolist(), order.tolist(), strict=True):
        first, second = (s, io) if swapped else (io, s)
        text = templates[which].format(A=people[first], B=people[second], S=people[s])
        rows.append([tokenizer.bos, *tokenizer.encode(text)])
    length = max(map(len, rows))
    tokens = torch.tensor([row + [tokenizer.bos] * (length - len(row)) for row in rows], device=device)

    names_of = known[drawn]  # (prompt, name)
    of_io, of_s = (tokens == names_of[:, column, None] for column in (0, 1))  # (prompt, position)
    s1 = of_s.int().argmax(1)
    s2 = length - 1 - of_s.flip(1).int().argmax(1)
    end = torch.tensor([len(row) - 1 for row in rows], device=device)
    positions = {"IO": of_io.int().argmax(1), "S1": s1, "S1+1": s1 + 1, "S2": s2, "END": end}
    return Prompts(tokens, names_of[:, 0], names_of[:, 1], names_of[:, 2:], template, order, positions)
    ### END SOLUTION


def corrupt(prompts: Prompts, how: str, generator: torch.Generator) -> Tensor:
    """The prompts' tokens with other names in their places, (prompt, position).

    how: "abc": three names that the prompt does not contain, all different, for IO, S1 and S2. "names": IO and S change
    places everywhere (ABB becomes BAA). "order": IO and S1 change places, S2 stays (ABB becomes BAB). "s2": S2 becomes
    IO (ABB becomes ABA). "s1": S1 becomes a name that the prompt does not contain (ABB becomes ACB). Every name of
    `prompts.absent` is as likely as every other; draws from `generator` alone.
    """
    ### BEGIN SOLUTION
    order = torch.rand(prompts.absent.shape, generator=generator, device=prompts.absent.device).argsort(1)
    a, b, c = prompts.absent.gather(1, order[:, :3]).unbind(1)  # (prompt,) each
    io, s = prompts.io, prompts.s
    swaps = {"abc": (a, b, c), "names": (s, io, io), "order": (s, io, s), "s2": (io, s, io), "s1": (io, a, s)}
    corrupted, rows = prompts.tokens.clone(), torch.arange(len(prompts.tokens), device=prompts.tokens.device)
    for place, name in zip(("IO", "S1", "S2"), swaps[how], strict=True):
        corrupted[rows, prompts.positions[place]] = name
    return corrupted
    ### END SOLUTION
