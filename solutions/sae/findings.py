"""Chapter `sae`: the findings. Which directions of the house model's stream are used, and an autoencoder of it."""

USED_OR_RECOVERABLE: dict[str, str] = {
    "a name, by a probe": "used",
    "a woman's name, by means": "recoverable only",
    "the word the, by means": "used",
    "the word the, by a probe": "recoverable only",
    "a vowel first, by a probe": "recoverable only",
    "after and, by a probe": "used",
    "one of the first seven, by a probe": "recoverable only",
    "a name that stood before, latent 506": "used",
    "the word lost, latent 282": "used",
    "the name Ethan, latent 838": "recoverable only",
}

# headwork sae train --hook blocks.1.hook_resid_post --k 16 --seed 1 --steps 1600 --out .
HOUSE_SAE: str = "house_sae.safetensors"
