"""Chapter `gpt2`: the whole network, its first weights, and weights from elsewhere.

Sources: Radford et al. 2019; parameters have TransformerLens' names and shapes.
"""

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
        residual = residual + self.attn(self.ln1(residual))
        return residual + self.mlp(self.ln2(residual))


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
        residual = self.embed(tokens)  # (batch, position, d_model)
        for block in self.blocks:
            residual = block(residual)
        return unembed(residual, self.ln_final, self.embed.W_E)
