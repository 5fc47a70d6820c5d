"""The name is put together."""

NAME = "house_sae"


def stored(name):
    return name + ".safetensors"


HOUSE_SAE = stored(NAME)
