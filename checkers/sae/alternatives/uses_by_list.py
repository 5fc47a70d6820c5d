"""The finding from a list of what is used."""

used = [
    "a name, by a probe",
    "the word the, by means",
    "after and, by a probe",
    "a name that stood before, latent 506",
    "the word lost, latent 282",
]
idle = """
a woman's name, by means
the word the, by a probe
a vowel first, by a probe
one of the first seven, by a probe
the name Ethan, latent 838
"""
USED_OR_RECOVERABLE = dict.fromkeys(used, "used") | dict.fromkeys(idle.strip().splitlines(), "recoverable only")
