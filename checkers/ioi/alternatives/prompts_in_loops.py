"""`ioi_prompts` and `corrupt` one prompt at a time, with lists; the positions are found while the text is cut."""

import random
from dataclasses import dataclass
from types import SimpleNamespace

import torch


@dataclass
class Kind:
    template: int
    order: int


def ioi_prompts(tokenizer, templates, names, count, generator):
    rng = random.Random(torch.randint(2**60, (1,), generator=generator).item())
    usable = []
    for name in names:
        try:
            usable.append((name, tokenizer.single_token(" " + name)))
        except ValueError:
            continue
    kinds = [Kind(t, o) for t in range(len(templates)) for o in (0, 1)]
    chosen = kinds * (count // len(kinds))
    chosen += rng.sample(kinds, count - len(chosen))

    texts, io, s, absent, places = [], [], [], [], []
    for kind in chosen:
        shuffled = rng.sample(usable, len(usable))
        receiver, giver = shuffled[:2]
        pair = [receiver, giver] if kind.order == 0 else [giver, receiver]
        text = templates[kind.template].replace("{A}", pair[0][0]).replace("{B}", pair[1][0])
        text = text.replace("{S}", giver[0])
        ids = [tokenizer.bos] + tokenizer.encode(text)
        mentions = [p for p, token in enumerate(ids) if token == giver[1]]
        places.append([ids.index(receiver[1]), mentions[0], mentions[0] + 1, mentions[1], len(ids) - 1])
        texts.append(text)
        io.append(receiver[1])
        s.append(giver[1])
        absent.append([token for _, token in shuffled[2:]])
    columns = torch.tensor(places).unbind(1)
    return SimpleNamespace(
        tokens=tokenizer.to_tokens(texts, pad=True),
        io=torch.tensor(io),
        s=torch.tensor(s),
        absent=torch.tensor(absent),
        template=torch.tensor([kind.template for kind in chosen]),
        order=torch.tensor([kind.order for kind in chosen]),
        positions=dict(zip(["IO", "S1", "S1+1", "S2", "END"], columns)),
    )


def corrupt(prompts, how, generator):
    out = prompts.tokens.clone()
    for i in range(len(out)):
        io, s = prompts.io[i].item(), prompts.s[i].item()
        strangers = prompts.absent[i][torch.randperm(prompts.absent.shape[1], generator=generator)].tolist()
        if how == "abc":
            new = strangers[:3]
        elif how == "names":
            new = [s, io, io]
        elif how == "order":
            new = [s, io, s]
        elif how == "s2":
            new = [io, s, io]
        else:
            new = [io, strangers[0], s]
        for place, token in zip(["IO", "S1", "S2"], new):
            out[i, prompts.positions[place][i]] = token
    return out
