"""Chapter `ioi`: what other heads do when one is gone.

Sources: Wang et al. 2022, section 3.4 (backup name movers); McGrath et al. 2023 (the hydra effect); Rushing and Nanda
2024 (self-repair, and the share of it that is the final LayerNorm's).
"""

from typing import Any

import torch
from torch import Tensor, nn

from headwork.models import GPT2
from headwork.models.hooks import HookPoint
from headwork.solutions.ioi.attribution import final_scale
from headwork.solutions.ioi.groups import Head


@torch.no_grad()
def self_repair(
    model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor, head: Head, z: Tensor
) -> tuple[Tensor, Tensor]:
    """What the logit difference loses when one head is replaced, and what each head then writes more or less directly.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. head: (layer, head);
    its z at all positions becomes `z`, (batch, position, d_head). Returns the change of the logit difference, (batch,),
    and the change of every head's direct contribution to it, (layer, head, batch), in both runs divided by the scale
    that the final LayerNorm has in the run where nothing is replaced.
    """
    ### BEGIN SOLUTION
    layer, which = head
    names = [f"blocks.{each}.attn.hook_z" for each in range(model.config.n_layers)]
    rows = torch.arange(len(tokens), device=tokens.device)

    def put(value: Tensor, point: HookPoint) -> Tensor:
        value = value.clone()
        value[:, :, which] = z
        return value

    def run(hooks: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
        with model.hooks(hooks):
            after, cache = model.run_with_cache(tokens, names, stop_at_layer=model.config.n_layers)
        last = after[rows, end]  # (batch, d_model)
        logits = model.unembed(model.ln_final(last))  # (batch, d_vocab)
        heads = torch.stack([cache[name][rows, end] for name in names])  # (layer, batch, head, d_head)
        return logits[rows, correct] - logits[rows, wrong], heads, last

    before, old, last = run([])
    after, new, _ = run([(names[layer], put)])
    blocks: list[Any] = list(model.blocks)
    W_O = torch.stack([block.attn.W_O for block in blocks])  # (layer, head, d_head, d_model)
    written = torch.einsum("lbhd,lhdm->lhbm", new - old, W_O)
    unembed: Any = model.unembed
    direction = (unembed.W_U[:, correct] - unembed.W_U[:, wrong]).T  # (batch, d_model)
    norm: Any = model.ln_final
    if not isinstance(norm, nn.Identity):
        written = written - written.mean(-1, keepdim=True)
        direction = direction * norm.w / final_scale(model, last)
    return after - before, (written * direction).sum(-1)
    ### END SOLUTION
