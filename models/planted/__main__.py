"""`python -m headwork.models.planted` writes the shipped files: the planted models of seed 0, in float16."""

from headwork.models.planted import FAMILIES, planted
from headwork.models.zoo import SHIPPED, save

if __name__ == "__main__":
    for family in FAMILIES:
        made = planted(family)
        save(made.model.half(), SHIPPED / made.name)  # exact: their weights are made for it
        print(SHIPPED / made.name)
