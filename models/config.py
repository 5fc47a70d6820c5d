"""The shape of a model."""

from dataclasses import dataclass

ACTIVATIONS = ("gelu", "relu")


@dataclass(frozen=True)
class Config:
    """The shape of a model. The defaults are GPT-2's; the rest makes smaller models of the same class."""

    d_vocab: int
    n_ctx: int  # the most positions that a sequence may have
    d_model: int
    n_heads: int
    d_mlp: int
    n_layers: int
    eps: float = 1e-5  # added to the variance in LayerNorm
    activation: str = "gelu"  # of the MLPs: gelu in GPT-2's form, with tanh, or relu
    attn_only: bool = False  # no MLPs
    layer_norm: bool = True
    biases: bool = True  # without, they are zeros that are not trained
    tied: bool = True  # the unembedding is the embedding, transposed
    causal: bool = True  # without, positions attend to later ones as well
    d_vocab_out: int | None = None  # the number of logits, where it is not d_vocab

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of n_heads {self.n_heads}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"there is no activation {self.activation!r}: there are {', '.join(ACTIVATIONS)}")
        if self.tied and self.d_vocab_out not in (None, self.d_vocab):
            raise ValueError("a tied unembedding has a logit for each token: d_vocab_out needs tied=False")

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads
