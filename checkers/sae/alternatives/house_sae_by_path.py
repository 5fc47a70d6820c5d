"""A path that begins in the folder of the code, to weights of another scale and order in float32."""

HOUSE_SAE: str = "./mixed.safetensors"
