"""The finding from measured figures: U, and the 95th percentile of the controls beside their median."""

measured = {
    "the name Ethan, latent 838": (0.5, 1.8),
    "the word lost, latent 282": (10.4, 3.2),
    "a name that stood before, latent 506": (3.8, 2.0),
    "one of the first seven, by a probe": (0.5, 1.5),
    "after and, by a probe": (32.5, 2.0),
    "a vowel first, by a probe": (0.7, 1.3),
    "the word the, by a probe": (0.1, 1.9),
    "the word the, by means": (737, 1.5),
    "a woman's name, by means": (0.3, 1.7),
    "a name, by a probe": (9.3, 1.8),
}

USED_OR_RECOVERABLE = {}
for name, (u, bound) in measured.items():
    USED_OR_RECOVERABLE[name] = "used" if u > bound else "recoverable only"
