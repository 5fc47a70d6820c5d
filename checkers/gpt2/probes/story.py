"""What chapter `gpt2` asks of the learner's whole file in the end: to load a trained model and to write a story."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.gpt2.probes.tokenizer import read_ranks, read_vocabulary
from headwork.checkers.probing import Answer, Case, Unfit, generator

NOT_THERE = (Unfit, NotImplementedError)


def story_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The tokens, who made what of it, and the seconds it took without and with a cache.

    What may be missing, a tokenizer and a cache, is made up for: the prompt also comes as tokens.
    """
    config = case.model["config"]
    model = answer.load_pretrained(_empty(answer, config), {k: v.float() for k, v in case.model["state"].items()})
    used = ["GPT2", "load_pretrained", "top_p"]
    tokens = list(case.tokens)
    try:
        own = answer.bpe_encode(case.prompt, read_ranks(case.merges), read_vocabulary(case.vocabulary))
        tokens = [case.bos, *own]
        used.append("bpe_encode")
    except NOT_THERE:
        pass
    room = min(config["n_positions"], len(tokens) + case.new)

    def plain(ids: list[int]) -> Tensor:
        last: Tensor = model(torch.tensor([ids]))[:, -1]
        return last

    story, seconds = _written(answer, case, tokens, room, plain)
    yield "seconds", {"without a cache": seconds}
    try:
        again, faster = _written(answer, case, tokens, room, _with_cache(answer, model))
        used.append("forward_with_cache")
        yield "seconds", {"without a cache": seconds, "with your cache": faster}
        yield "same", again == story
    except NOT_THERE:
        pass
    try:
        yield "text", answer.bpe_decode(story[1:], read_vocabulary(case.vocabulary))
        used.append("bpe_decode")
    except NOT_THERE:
        pass
    yield "tokens", story
    yield "used", used


def _empty(answer: Answer, config: dict[str, Any]) -> nn.Module:
    model: nn.Module = answer.GPT2(
        d_vocab=config["vocab_size"],
        n_ctx=config["n_positions"],
        d_model=config["n_embd"],
        n_heads=config["n_head"],
        d_mlp=config.get("n_inner") or 4 * config["n_embd"],
        n_layers=config["n_layer"],
        eps=config["layer_norm_epsilon"],
    )
    return model


def _with_cache(answer: Answer, model: nn.Module) -> Callable[[list[int]], Tensor]:
    cache: Any = None
    read = 0

    def last_logits(ids: list[int]) -> Tensor:
        nonlocal cache, read
        logits, cache = answer.forward_with_cache(model, torch.tensor([ids[read:]]), cache)
        read = len(ids)
        last: Tensor = logits[:, -1]
        return last

    return last_logits


def _written(
    answer: Answer, case: Case, tokens: list[int], room: int, last_logits: Callable[[list[int]], Tensor]
) -> tuple[list[int], float]:
    """The prompt's tokens and those that follow, up to the end of the text, and the seconds that took."""
    source, story = generator(case.seed), list(tokens)
    start = perf_counter()
    with torch.no_grad():
        while len(story) < room:
            token = int(answer.top_p(last_logits(story), case.p, generator=source))
            if token == case.bos:
                break
            story.append(token)
    return story, perf_counter() - start
