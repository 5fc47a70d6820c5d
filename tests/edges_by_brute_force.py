"""A GPT-2 in numpy in which any edge can be replaced: from a state dict's arrays, without a line of ours.

Nodes and edges are named as in `headwork.models.planted`. Every input of every node is the sum of what the nodes
before it wrote, and any of these terms can be put in place of what was written.
"""

import numpy as np


class ByHand:
    def __init__(self, model):
        self.config = model.config
        self.state = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}

    def run(self, tokens, replaced, untouched=None):
        """tokens: (batch, position). replaced: {(sender, receiver, input): (batch, position, d_model)}.

        Returns the logits, (batch, position, d_vocab), and what each node wrote. `untouched`: what each node wrote on
        these tokens with nothing replaced, which the nodes below the first receiver do again.
        """
        config, tokens = self.config, np.asarray(tokens)
        embedded = self.state["embed.W_E"][tokens]
        places = np.broadcast_to(self.state["pos_embed.W_pos"][: tokens.shape[1]], embedded.shape)
        wrote = {"embed": embedded, "pos": places}
        constant = np.zeros(config.d_model)  # biases, which belong to no node

        def read(total, readers, part):
            """The sum of all that was written, for each of the readers, but for what is replaced."""
            terms = [[(e, new) for e, new in replaced.items() if e[1:] == (reader, part)] for reader in readers]
            if not any(terms):
                return total[None]  # the same for all
            return np.stack([total + sum(new - wrote[edge[0]] for edge, new in own) for own in terms])

        first = min((self._layer(receiver) for _, receiver, _ in replaced), default=config.n_layers)
        for layer in range(config.n_layers):
            heads, block = [f"head {layer}.{head}" for head in range(config.n_heads)], f"blocks.{layer}"
            if untouched and layer < first:
                wrote |= {node: untouched[node] for node in [*heads, f"mlp {layer}"] if node in untouched}
                constant = constant + self._get(f"{block}.attn.b_O") + self._get(f"{block}.mlp.b_out")
                continue
            total = constant + sum(wrote.values())
            streams = [self._norm(read(total, heads, part), f"{block}.ln1") for part in "qkv"]
            wrote |= dict(zip(heads, self._attention(f"{block}.attn", *streams), strict=True))
            constant = constant + self._get(f"{block}.attn.b_O")
            if not config.attn_only:
                total = constant + sum(wrote.values())
                [stream] = self._norm(read(total, [f"mlp {layer}"], ""), f"{block}.ln2")
                assert config.activation == "relu"
                after = np.maximum(stream @ self.state[f"{block}.mlp.W_in"] + self._get(f"{block}.mlp.b_in"), 0)
                wrote[f"mlp {layer}"] = after @ self.state[f"{block}.mlp.W_out"]
                constant = constant + self._get(f"{block}.mlp.b_out")
        [final] = self._norm(read(constant + sum(wrote.values()), ["logits"], ""), "ln_final")
        logits = final @ self.state["unembed.W_U"] + self._get("unembed.b_U")
        return logits, wrote

    def _layer(self, node):
        """The layer of `head 2.1` and of `mlp 2`; that of the logits comes after the last."""
        return self.config.n_layers if node == "logits" else int(node.split()[1].split(".")[0])

    def _attention(self, name, *streams):
        """What each head writes, (head, batch, position, d_model), from what it reads for q, k and v, of that shape.

        Where all heads read the same, the first axis has size 1.
        """
        q, k, v = (
            stream @ self.state[f"{name}.W_{part}"][:, None] + self._get(f"{name}.b_{part}", (1, 1))[:, None, None]
            for part, stream in zip("QKV", streams, strict=True)
        )
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])  # (head, batch, query, key)
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
        pattern = np.exp(scores - scores.max(-1, keepdims=True))
        pattern /= pattern.sum(-1, keepdims=True)
        return pattern @ v @ self.state[f"{name}.W_O"][:, None]

    def _norm(self, stream, name):
        if not self.config.layer_norm:
            return stream
        centred = stream - stream.mean(-1, keepdims=True)
        centred = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.config.eps)
        return centred * self.state[f"{name}.w"] + self.state[f"{name}.b"]

    def _get(self, name, shape=()):
        """A bias, or zeros where the model has none."""
        return self.state.get(name, np.zeros(shape))


class Effects:
    """What edges do to the metric of a planted model, each prompt for itself."""

    def __init__(self, made):
        self.made, self.model = made, ByHand(made.model)
        _, self.on_clean = self.model.run(made.clean, {})
        _, self.on_corrupted = self.model.run(made.corrupted, {})
        self.clean, self.corrupted = self.metric("noise", ()), self.metric("denoise", ())

    def metric(self, how, edges):
        """The metric, (batch,), with these edges replaced: see `headwork.models.planted.truth.How`."""
        corrupted = how == "denoise"
        tokens, untouched = (self.made.corrupted, self.on_corrupted) if corrupted else (self.made.clean, self.on_clean)
        written = {
            "noise": lambda node: self.on_corrupted[node],
            "denoise": lambda node: self.on_clean[node],
            "cut": lambda node: 0 * self.on_clean[node],
        }[how]
        logits, _ = self.model.run(tokens, {tuple(edge): written(edge.sender) for edge in edges}, untouched)
        rows = np.arange(len(logits))
        answers = self.made.answers.numpy()
        return logits[rows, -1, answers[:, 0]] - logits[rows, -1, answers[:, 1]]

    def change(self, how, edges):
        """How far that is from the metric of the run with nothing replaced, (batch,)."""
        return self.metric(how, edges) - (self.corrupted if how == "denoise" else self.clean)

    def share(self, how, edges):
        """The mean metric, on the scale where the clean prompts have 1 and the corrupted ones 0."""
        low, high = self.corrupted.mean(), self.clean.mean()
        return (self.metric(how, edges).mean() - low) / (high - low)
