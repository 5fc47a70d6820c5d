"""A GPT-2 with hook points, under TransformerLens' names for parameters and activations.

Axes: `batch` sequences, `position` in a sequence, `head`, `d_model` (the residual stream's width), `d_head`.
A query position attends to key positions; patterns are (batch, head, query, key).
Sources: Radford et al. 2019; Elhage et al. 2021 (the residual stream); TransformerLens (the names and shapes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwork.models.config import Config
from headwork.models.hooks import HookedModule, HookPoint

if TYPE_CHECKING:
    from headwork.models.tokenizer import Tokenizer


def gelu(x: Tensor) -> Tensor:
    """GPT-2's GELU, with tanh for the normal distribution function."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "relu": F.relu}


class GPT2(HookedModule):
    """Tokens to logits: embeddings, then blocks that each read the residual stream and add to it, then unembedding."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.tokenizer: Tokenizer | None = None
        self.embed = Embed(config)
        self.hook_embed = HookPoint()  # (batch, position, d_model)
        self.pos_embed = PosEmbed(config)
        self.hook_pos_embed = HookPoint()  # (batch, position, d_model)
        self.blocks = Blocks(Block(config) for _ in range(config.n_layers))
        self.ln_final = _norm(config)
        self.unembed = TiedUnembed(self.embed) if config.tied else Unembed(config)
        self.name_hook_points()
        self.init_weights()

    @classmethod
    def of(cls, config: Config, state: Mapping[str, Tensor]) -> GPT2:
        """The model whose weights are the tensors of `state` themselves: none is drawn, none is copied.

        It is set to evaluate. Raises PyTorch's RuntimeError where names or shapes do not fit.
        """
        with torch.device("meta"):
            model = cls(config)
        model.load_state_dict(state, assign=True)
        sample = next(iter(state.values()))
        if not config.biases:
            for part in model.modules():
                for name, bias in part.named_buffers(recurse=False):  # zeros in the place of biases, in no file
                    setattr(part, name, torch.zeros(bias.shape, dtype=sample.dtype, device=sample.device))
        return model.eval()

    def forward(self, tokens: Tensor, *, start_at_layer: int | None = None, stop_at_layer: int | None = None) -> Tensor:
        """tokens: (batch, position). Returns the logits of the next token, (batch, position, d_vocab).

        start_at_layer: that block is the first, and in place of tokens the residual stream before it is given,
        (batch, position, d_model). stop_at_layer: returns the residual stream before that block, so that 0 is the
        embedding and n_layers what ln_final reads. Negative ones count from the last block.
        """
        start = self._layer(start_at_layer, 0)
        stop = self._layer(stop_at_layer, self.config.n_layers)
        if stop < start:
            raise ValueError(f"stop_at_layer {stop_at_layer} comes before start_at_layer {start_at_layer}")
        residual = self._embedded(tokens) if start_at_layer is None else tokens  # (batch, position, d_model)
        for layer in range(start, stop):
            residual = self.blocks[layer](residual)
        if stop_at_layer is not None:
            return residual
        return self.unembed(self.ln_final(residual))

    def _embedded(self, tokens: Tensor) -> Tensor:
        if tokens.dim() != 2 or tokens.shape[1] > self.config.n_ctx:
            most = f"(batch, position) with at most {self.config.n_ctx} positions"
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}: this model takes {most}")
        return self.hook_embed(self.embed(tokens)) + self.hook_pos_embed(self.pos_embed(tokens))

    def _layer(self, layer: int | None, default: int) -> int:
        if layer is None:
            return default
        count = self.config.n_layers
        if not -count <= layer <= count:
            raise ValueError(f"there is no layer {layer}: this model has {count}")
        return layer + count if layer < 0 else layer

    @torch.no_grad()
    def init_weights(self) -> None:
        """GPT-2's own start: normal weights of spread 0.02, smaller where a block writes; biases 0, scales 1.

        On the device "meta", where there are no numbers, nothing is drawn: torch would take 3 ms for each of them.
        """
        for name, parameter in self.named_parameters():
            if name.rpartition(".")[2].startswith("W_") and not parameter.is_meta:
                writers = 2 * self.config.n_layers if name.endswith((".W_O", ".W_out")) else 1
                parameter.normal_(0, 0.02 / writers**0.5)


class Embed(nn.Module):
    """A vector for each token."""

    def __init__(self, config: Config):
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, self.W_E)  # (batch, position, d_model)


class PosEmbed(nn.Module):
    """A vector for each position, the same in every sequence."""

    def __init__(self, config: Config):
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model))

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length = tokens.shape
        return self.W_pos[:length].repeat(batch, 1, 1)  # (batch, position, d_model), a copy that hooks may edit


class Unembed(nn.Module):
    """A logit for each token that may come next."""

    b_U: Tensor  # (d_vocab,)

    def __init__(self, config: Config):
        super().__init__()
        logits = config.d_vocab_out or config.d_vocab
        self.W_U = nn.Parameter(torch.empty(config.d_model, logits))
        _add_biases(self, config.biases, b_U=(logits,))

    def forward(self, residual: Tensor) -> Tensor:
        return residual @ self.W_U + self.b_U  # (batch, position, d_vocab)


class TiedUnembed(nn.Module):
    """The unembedding that is the embedding, transposed: it has no weights of its own, and as in GPT-2 no bias."""

    def __init__(self, embed: Embed):
        super().__init__()
        self._embed = (embed,)  # a module of its own would be listed, and stored, twice

    @property
    def W_U(self) -> Tensor:
        return self._embed[0].W_E.T  # (d_model, d_vocab)

    @property
    def b_U(self) -> Tensor:
        return self.W_U.new_zeros(self.W_U.shape[1])  # (d_vocab,)

    def forward(self, residual: Tensor) -> Tensor:
        return residual @ self.W_U  # (batch, position, d_vocab)


class LayerNorm(nn.Module):
    """Normalises the last axis to mean 0 and variance 1, then scales by `w` and shifts by `b`."""

    def __init__(self, config: Config):
        super().__init__()
        self.eps = config.eps
        self.w = nn.Parameter(torch.ones(config.d_model))
        self.b = nn.Parameter(torch.zeros(config.d_model))
        self.hook_scale = HookPoint()  # (batch, position, 1), what the centred residual is divided by
        self.hook_normalized = HookPoint()  # (batch, position, d_model), scaled and shifted

    def forward(self, residual: Tensor) -> Tensor:
        centred = residual - residual.mean(-1, keepdim=True)
        scale = self.hook_scale((centred.square().mean(-1, keepdim=True) + self.eps).sqrt())
        return self.hook_normalized(centred / scale * self.w + self.b)


def _norm(config: Config) -> LayerNorm:
    """A LayerNorm; the identity, which has none of its parameters, in a model without."""
    return LayerNorm(config) if config.layer_norm else cast(LayerNorm, nn.Identity())


class Blocks(nn.ModuleList):
    """A model's blocks, which type checkers know as such."""

    if TYPE_CHECKING:

        def __getitem__(self, layer: int) -> Block: ...  # type: ignore[override]
        def __iter__(self) -> Iterator[Block]: ...


class Block(nn.Module):
    """Attention, then an MLP, each reading the normalised residual stream and adding to it.

    The inputs of a head's queries, keys and values are the same residual stream. Hooks on `hook_q_input`,
    `hook_k_input` or `hook_v_input` tell them apart, (batch, position, head, d_model): ln1 and its hooks then run on
    each of these as well, with their axis for heads.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.hook_resid_pre = HookPoint()  # (batch, position, d_model), as all below but the three inputs
        self.hook_q_input = HookPoint(on_demand=True)
        self.hook_k_input = HookPoint(on_demand=True)
        self.hook_v_input = HookPoint(on_demand=True)
        self.ln1 = _norm(config)
        self.attn = Attention(config)
        self.hook_attn_out = HookPoint()
        if not config.attn_only:
            self.hook_resid_mid = HookPoint()
            self.ln2 = _norm(config)
            self.mlp = MLP(config)
            self.hook_mlp_out = HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns the residual stream after this block."""
        residual = self.hook_resid_pre(residual)
        residual = residual + self.hook_attn_out(self.attn(*self._attention_inputs(residual)))
        if not self.config.attn_only:
            residual = self.hook_resid_mid(residual)
            residual = residual + self.hook_mlp_out(self.mlp(self.ln2(residual)))
        return self.hook_resid_post(residual)

    def _attention_inputs(self, residual: Tensor) -> list[Tensor]:
        """What queries, keys and values are made from: the same tensor thrice, but for those that are hooked."""
        points = [self.hook_q_input, self.hook_k_input, self.hook_v_input]
        heads = self.config.n_heads
        own = [self.ln1(p(residual.unsqueeze(2).repeat(1, 1, heads, 1))) if p.hooked else None for p in points]
        shared = self.ln1(residual)  # after the others: a cache keeps the last value, and this one has the usual shape
        return [shared if each is None else each for each in own]


class Attention(nn.Module):
    """Multi-head self-attention: each head moves information from key positions to query positions."""

    W_O: Tensor  # (head, d_head, d_model)
    b_Q: Tensor  # (head, d_head), as b_K and b_V
    b_K: Tensor
    b_V: Tensor
    b_O: Tensor  # (d_model,), once for all heads

    def __init__(self, config: Config):
        super().__init__()
        heads, d_model, d_head = config.n_heads, config.d_model, config.d_head
        self.causal = config.causal
        self.W_Q = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.W_K = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.W_V = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.W_O = nn.Parameter(torch.empty(heads, d_head, d_model))
        small = (heads, d_head)
        _add_biases(self, config.biases, b_Q=small, b_K=small, b_V=small, b_O=(d_model,))
        self.hook_q = HookPoint()  # (batch, position, head, d_head), as k, v and z
        self.hook_k = HookPoint()
        self.hook_v = HookPoint()
        self.hook_attn_scores = HookPoint()  # (batch, head, query, key), -inf where a query may not look
        self.hook_pattern = HookPoint()  # (batch, head, query, key)
        self.hook_z = HookPoint()
        self.hook_result = HookPoint(on_demand=True)  # (batch, position, head, d_model), without b_O

    def forward(self, query_input: Tensor, key_input: Tensor, value_input: Tensor) -> Tensor:
        """Inputs: (batch, position, d_model), or with one for each head, (batch, position, head, d_model).

        Returns what the layer adds to the residual stream, (batch, position, d_model).
        """
        q = self.hook_q(_for_each_head(query_input, self.W_Q) + self.b_Q)  # (batch, position, head, d_head)
        k = self.hook_k(_for_each_head(key_input, self.W_K) + self.b_K)  # (batch, position, head, d_head)
        v = self.hook_v(_for_each_head(value_input, self.W_V) + self.b_V)  # (batch, position, head, d_head)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5  # (batch, head, query, key)
        if self.causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)  # (query, key)
            scores = scores.masked_fill(later, float("-inf"))
        pattern = self.hook_pattern(self.hook_attn_scores(scores).softmax(-1))  # (batch, head, query, key)
        z = self.hook_z(torch.einsum("bhqk,bkhd->bqhd", pattern, v))  # (batch, position, head, d_head)
        if self.hook_result.hooked:
            result = self.hook_result(torch.einsum("bphd,hdm->bphm", z, self.W_O))  # (batch, position, head, d_model)
            return result.sum(2) + self.b_O
        return torch.einsum("bphd,hdm->bpm", z, self.W_O) + self.b_O


class MLP(nn.Module):
    """Reads each position by itself."""

    b_in: Tensor  # (d_mlp,)
    b_out: Tensor  # (d_model,)

    def __init__(self, config: Config):
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.W_in = nn.Parameter(torch.empty(config.d_model, config.d_mlp))
        self.W_out = nn.Parameter(torch.empty(config.d_mlp, config.d_model))
        _add_biases(self, config.biases, b_in=(config.d_mlp,), b_out=(config.d_model,))
        self.hook_pre = HookPoint()  # (batch, position, d_mlp)
        self.hook_post = HookPoint()  # (batch, position, d_mlp)

    def forward(self, residual: Tensor) -> Tensor:
        pre = self.hook_pre(residual @ self.W_in + self.b_in)  # (batch, position, d_mlp)
        return self.hook_post(self.activation(pre)) @ self.W_out + self.b_out  # (batch, position, d_model)


def _for_each_head(inputs: Tensor, weights: Tensor) -> Tensor:
    """inputs: (batch, position, d_model), or with an axis for heads before the last. (batch, position, head, d_head)"""
    inputs = inputs.unsqueeze(2) if inputs.dim() == 3 else inputs  # (batch, position, 1 or head, d_model)
    return torch.einsum("bphm,hmd->bphd", inputs, weights)


def _add_biases(module: nn.Module, trained: bool, **shapes: tuple[int, ...]) -> None:
    """Gives the module zero biases; those of a model without any are not trained and not stored."""
    for name, shape in shapes.items():
        if trained:
            module.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        else:
            module.register_buffer(name, torch.zeros(shape), persistent=False)
