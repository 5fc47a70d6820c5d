"""`ioi_prompts` by one token template a kind, into which names are written; `corrupt` by a lookup of who is where."""

from dataclasses import dataclass

import torch


@dataclass
class Prompts:
    tokens: torch.Tensor
    io: torch.Tensor
    s: torch.Tensor
    absent: torch.Tensor
    template: torch.Tensor
    order: torch.Tensor
    positions: dict


def usable(tokenizer, names):
    ids = [tokenizer.encode(" " + name) for name in names]
    return torch.tensor([each[0] for each in ids if len(each) == 1])


def ioi_prompts(tokenizer, templates, names, count, generator):
    known = usable(tokenizer, names)
    a, b = [name for name in names if len(tokenizer.encode(" " + name)) == 1][:2]
    blank, where = [], []
    for text in templates:  # with any two names: the others' tokens take their places
        for subject in (b, a):
            ids = [tokenizer.bos, *tokenizer.encode(text.format(A=a, B=b, S=subject))]
            first, second = (ids.index(tokenizer.encode(" " + name)[0]) for name in (a, b))
            s2 = len(ids) - 1 - ids[::-1].index(tokenizer.encode(" " + subject)[0])
            io, s1 = (first, second) if subject == b else (second, first)
            blank.append(ids)
            where.append([io, s1, s1 + 1, s2, len(ids) - 1])
    kinds = len(blank)
    weights = torch.rand(kinds, generator=generator)
    kind = weights.argsort().repeat(count // kinds + 1)[:count]
    longest = max(len(blank[k]) for k in kind)
    tokens = torch.tensor([blank[k] + [tokenizer.bos] * (longest - len(blank[k])) for k in kind])
    positions = torch.tensor(where)[kind]
    order = torch.multinomial(torch.ones(count, len(known)), len(known), generator=generator)
    names = known[order]
    for column, name in ((0, 0), (1, 1), (3, 1)):
        tokens.scatter_(1, positions[:, column, None], names[:, name, None])
    named = {name: positions[:, i] for i, name in enumerate(["IO", "S1", "S1+1", "S2", "END"])}
    return Prompts(tokens, names[:, 0], names[:, 1], names[:, 2:], kind // 2, kind % 2, named)


WHO = {"names": [1, 0, 0], "order": [1, 0, 1], "s2": [0, 1, 0], "s1": [0, 2, 1], "abc": [2, 3, 4]}


def corrupt(prompts, how, generator):
    chances = torch.ones(prompts.absent.shape, dtype=torch.float64)
    strangers = prompts.absent.gather(1, torch.multinomial(chances, 3, generator=generator))
    cast = torch.cat([prompts.io[:, None], prompts.s[:, None], strangers], 1)  # IO, S and three strangers
    index = torch.stack([prompts.positions[place] for place in ("IO", "S1", "S2")], 1)
    return prompts.tokens.scatter(1, index, cast[:, WHO[how]])
