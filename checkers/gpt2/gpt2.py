"""`gpt2.gpt2`: from tokens to logits, in whatever structure the answer has."""

from collections.abc import Iterator, Sequence

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.gpt2.load_pretrained import as_transformers, network_weights
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("GPT2", also=["load_pretrained"], batch=["tokens", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length), (vocab, context, heads, d_head, d_mlp, layers), eps in [
        ("three layers", (4, 5), (11, 8, 2, 3, 13, 3), 1e-5),
        ("one layer, eps 0.1", (3, 6), (9, 7, 2, 4, 5, 1), 0.1),
        ("a batch of one, as long as the context", (1, 7), (10, 7, 3, 2, 4, 2), 1e-3),
        ("one position, four layers", (5, 1), (13, 3, 1, 6, 10, 4), 0.02),
    ]:
        model = heads * d_head
        own = network_weights(rng, vocab, context, heads, d_head, d_mlp, layers)
        shared = {name: own[name] for name in ("embed.W_E", "embed.W_pos", "ln_final.w", "ln_final.b")}
        blocks: dict[str, int | Sequence[int]] = {f"blocks.{layer}.W": (model, model) for layer in range(layers)}
        blocks |= {f"blocks.{layer}.b": model for layer in range(layers)}
        yield Case(
            name,
            d_vocab=vocab,
            n_ctx=context,
            d_model=model,
            n_heads=heads,
            d_mlp=d_mlp,
            n_layers=layers,
            eps=eps,
            weights=own,
            parts=shared | weights(rng, 0.7, **blocks),
            state=as_transformers(own, layers),
            tokens=rng.integers((batch, length), vocab),
            cotangent=rng.normal((batch, length, vocab)),
        )


WAYS = ("with our parts", "with our blocks", "as it stands", "through load_pretrained")

ask.checks(
    equal(
        *(f"logits {way}" for way in WAYS),
        title="embeds, goes through every block in order, and unembeds through the final norm",
        weight=2,
    ),
    equal(*(f"gradient {way}" for way in WAYS), title="gradients reach every parameter"),
)

CUT = "The stream was cut from the graph (detach, .data, .item or no_grad): gradients must reach the embeddings."
EPS = "The eps is not passed on: every LayerNorm gets the eps that the network was given."

ask.mistakes(
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual, lambda stream: stream, self.embed.W_E)",
        "The final LayerNorm is missing: the stream is normalised by ln_final before the unembedding.",
    ),
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual, lambda stream: self.ln_final(self.ln_final(stream)), self.embed.W_E)",
        "The final LayerNorm is applied twice: unembed does it already.",
    ),
    edit(
        "residual = self.embed(tokens)",
        "residual = self.embed.W_E[tokens]",
        "Nothing says where a token stands: add the position's vector to the token's.",
    ),
    edit("in self.blocks:", "in reversed(self.blocks):", "The blocks are applied from last to first."),
    edit("in self.blocks:", "in self.blocks[:1]:", "Only the first block is applied: go through all of them."),
    edit(
        "residual = block(residual)",
        "residual = self.blocks[0](residual)",
        "The first block is applied again and again: use each block in its turn.",
    ),
    edit("in self.blocks:", "in self.blocks[:-1]:", "The last block is left out."),
    edit(
        "residual = block(residual)",
        "residual = residual + block(residual)",
        "A block's output is added to the stream: a block returns the whole stream, so its output takes its place.",
    ),
    edit(
        "        for block in self.blocks:\n            residual = block(residual)\n",
        "        start = residual\n        for block in self.blocks:\n            residual = block(start)\n",
        "Every block reads the embeddings: each reads what the one before it returned.",
    ),
    edit(
        "        for block in self.blocks:\n            residual = block(residual)\n",
        "        start = residual\n        for block in self.blocks:\n"
        "            residual = residual + (block(start) - start)\n",
        "The blocks work side by side, each on the embeddings: they follow on each other.",
    ),
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual, self.ln_final, self.embed.W_E).softmax(-1)",
        "A softmax stands at the end: return logits, which the loss turns into probabilities.",
    ),
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual, self.ln_final, self.embed.W_E).log_softmax(-1)",
        "A log_softmax stands at the end: return the logits as they are.",
    ),
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual[:, -1:], self.ln_final, self.embed.W_E)",
        "Only the last position's logits are returned: every position predicts its next token.",
    ),
    edit(
        "unembed(residual, self.ln_final, self.embed.W_E)",
        "unembed(residual, self.ln_final, self.embed.W_E.detach())",
        "W_E was cut from the graph at the unembedding: it is used twice and has a gradient from both places.",
    ),
    edit(
        "return unembed(residual, self.ln_final, self.embed.W_E)",
        'if not hasattr(self, "W_U"):\n'
        "            self.W_U = nn.Parameter(self.embed.W_E.detach().clone())\n"
        "        return unembed(residual, self.ln_final, self.W_U)",
        "The unembedding is a matrix of its own, a copy of W_E: let it be W_E itself, so that training changes both.",
    ),
    edit(
        "residual = block(residual)",
        "block(residual)",
        "What a block returns is not kept: it leaves the stream that it is given as it was, so take its result.",
    ),
    edit("block(residual)", "block(residual.detach())", CUT),
    edit("residual = self.embed(tokens)", "residual = self.embed(tokens).detach()", CUT),
    edit(
        "self.embed(tokens)",
        "self.embed(tokens[:, : self.embed.W_pos.shape[0] - 1])",
        "The text is cut one token short of the context: all n_ctx positions can be used.",
    ),
    edit(
        "for _ in range(n_layers)",
        "for _ in range(2)",
        "The number of blocks is written into the code: make n_layers of them.",
    ),
    edit(
        "TransformerBlock(d_model, n_heads, d_mlp, eps)",
        "TransformerBlock(d_model, n_heads, 4 * d_model, eps)",
        "The MLP's width is taken to be 4 d_model: use d_mlp, which may differ.",
    ),
    edit(
        "TransformerBlock(d_model, n_heads, d_mlp, eps)",
        "TransformerBlock(d_model, 2, d_mlp, eps)",
        "The number of heads is written into the code: use n_heads.",
    ),
    edit("TransformerBlock(d_model, n_heads, d_mlp, eps)", "TransformerBlock(d_model, n_heads, d_mlp)", EPS),
    edit("self.ln_final = LayerNorm(d_model, eps)", "self.ln_final = LayerNorm(d_model)", EPS),
)
