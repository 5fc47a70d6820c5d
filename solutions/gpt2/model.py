"""Chapter `gpt2`: the whole network, its first weights, and weights from elsewhere.

Source: Radford et al. 2019; parameters have TransformerLens' names and shapes.
"""

import torch
from torch import Tensor, nn

from headwork.solutions.gpt2.attention import Attention
from headwork.solutions.gpt2.layers import MLP, Embed, LayerNorm, unembed


class TransformerBlock(nn.Module):
    """Attention, then an MLP; each reads the stream through a LayerNorm of its own and adds to it."""

    def __init__(self, d_model: int, n_heads: int, d_mlp: int, eps: float = 1e-5):
        super().__init__()
        self.ln1 = LayerNorm(d_model, eps)
        self.attn = Attention(d_model, n_heads)
        self.ln2 = LayerNorm(d_model, eps)
        self.mlp = MLP(d_model, d_mlp)

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns the stream after the block, the same shape."""
        ### BEGIN SOLUTION
        middle = residual + self.attn(self.ln1(residual))  # (batch, position, d_model)
        return middle + self.mlp(self.ln2(middle))
        ### END SOLUTION


class GPT2(nn.Module):
    """From tokens to the logits of each next token."""

    def __init__(
        self, d_vocab: int, n_ctx: int, d_model: int, n_heads: int, d_mlp: int, n_layers: int, eps: float = 1e-5
    ):
        super().__init__()
        self.embed = Embed(d_vocab, n_ctx, d_model)
        self.blocks = nn.ModuleList(TransformerBlock(d_model, n_heads, d_mlp, eps) for _ in range(n_layers))
        self.ln_final = LayerNorm(d_model, eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, position). Returns logits, (batch, position, d_vocab)."""
        ### BEGIN SOLUTION
        residual = self.embed(tokens)  # (batch, position, d_model)
        for block in self.blocks:
            residual = block(residual)
        return unembed(residual, self.ln_final, self.embed.W_E)  # (batch, position, d_vocab)
        ### END SOLUTION


def init_weights(model: nn.Module, n_layers: int, generator: torch.Generator | None = None) -> None:
    """Fills the parameters of `model` with GPT-2's first weights, in place, by the last part of their names.

    `W_...`: normal, mean 0, standard deviation 0.02; of those that write into the stream, `W_O` and `W_out`,
    0.02 / sqrt(2 n_layers). `w` of a LayerNorm: 1. All others are biases: 0. Randomness comes from `generator` alone.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = name.split(".")[-1]
            if kind.startswith("W_"):
                writers = 2 * n_layers if kind in ("W_O", "W_out") else 1
                parameter.normal_(0, 0.02 * writers**-0.5, generator=generator)
            else:
                parameter.fill_(1 if kind == "w" else 0)
    ### END SOLUTION


def load_pretrained(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """Fills the parameters of `model`, a GPT2, with the weights of a transformers GPT-2, in place; returns `model`.

    state: tensors by transformers' names, with or without `transformer.` in front. The names of layer 0 begin with
    `h.0.`; matrices have the axes (in, out). `attn.bias`, `attn.masked_bias` and `lm_head.weight` are not needed.
    """
    ### BEGIN SOLUTION
    found = {name.removeprefix("transformer."): value for name, value in state.items()}
    loaded = {"embed.W_E": found["wte.weight"], "embed.W_pos": found["wpe.weight"]}
    loaded |= {"ln_final.w": found["ln_f.weight"], "ln_final.b": found["ln_f.bias"]}
    for index, block in enumerate(model.get_submodule("blocks").children()):
        theirs, ours = f"h.{index}.", f"blocks.{index}."
        n_heads, d_model, d_head = block.get_parameter("attn.W_Q").shape
        weights = found[theirs + "attn.c_attn.weight"].reshape(d_model, 3, n_heads, d_head)
        biases = found[theirs + "attn.c_attn.bias"].reshape(3, n_heads, d_head)
        for place, letter in enumerate("QKV"):
            loaded[ours + f"attn.W_{letter}"] = weights[:, place].transpose(0, 1)  # (head, d_model, d_head)
            loaded[ours + f"attn.b_{letter}"] = biases[place]  # (head, d_head)
        loaded[ours + "attn.W_O"] = found[theirs + "attn.c_proj.weight"].reshape(n_heads, d_head, d_model)
        loaded[ours + "attn.b_O"] = found[theirs + "attn.c_proj.bias"]
        loaded[ours + "mlp.W_in"] = found[theirs + "mlp.c_fc.weight"]  # (d_model, d_mlp)
        loaded[ours + "mlp.b_in"] = found[theirs + "mlp.c_fc.bias"]
        loaded[ours + "mlp.W_out"] = found[theirs + "mlp.c_proj.weight"]  # (d_mlp, d_model)
        loaded[ours + "mlp.b_out"] = found[theirs + "mlp.c_proj.bias"]
        loaded[ours + "ln1.w"] = found[theirs + "ln_1.weight"]
        loaded[ours + "ln1.b"] = found[theirs + "ln_1.bias"]
        loaded[ours + "ln2.w"] = found[theirs + "ln_2.weight"]
        loaded[ours + "ln2.b"] = found[theirs + "ln_2.bias"]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(loaded[name])  # the numbers, into the dtype that is there
    return model
    ### END SOLUTION
