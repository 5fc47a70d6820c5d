"""What prompts for indirect object identification are made of: templates and names, some of them held out.

`{A}` and `{B}` are two people in the order in which they are first named, and `{S}` is the one of them who gives. The
phrases and names are those of the house model's English; the held-out ones are in none of its texts in which two
people are to be told apart. GPT-2 knows them all, but for a few names that are not one token to it.
"""

from headwork.models.data.english.words import GIVERS as NAMES
from headwork.models.data.english.words import HELD_OUT as HELD_OUT_NAMES

__all__ = ["HELD_OUT_NAMES", "HELD_OUT_TEMPLATES", "NAMES", "TEMPLATES"]

TEMPLATES = [
    "When {A} and {B} went to the store, {S} gave a drink to",
    "While {A} and {B} were working at the office, {S} handed a letter to",
    "After {A} and {B} met at the station, {S} showed the map to",
    "When {A} and {B} were sitting in the garden, {S} offered a cake to",
    "Because {A} and {B} were playing at the beach, {S} threw a red ball to",
    "Yesterday {A} and {B} bought a lamp at the market. Later {S} sold it to",
    "One day {A} and {B} walked to the river. Then {S} passed a bottle to",
    "Last night {A} and {B} had dinner at the hotel. Soon {S} decided to give a ring to",
    "When {A} saw {B} at the school, {S} returned the old book to",
    "After {A} met {B} at the library, {S} wanted to show a photo to",
    "While {A} visited {B} at the hospital, {S} brought a blanket to",
    "In the morning, {A} and {B} came to the farm. After a while, {S} tossed a rope to",
    "At noon, {A} and {B} rested by the lake. In the end, {S} happily gave the shell to",
    "Just when {A} and {B} left the restaurant, {S} handed the key to",
    "Today, {A} and {B} lost a hat in the forest. It was raining, so {S} offered a coat to",
    "At the bakery, {A} and {B} found a coin. Then {S} quickly passed it to",
    "Soon after {A} and {B} hurried to the museum, {S} tried to sell a guitar to",
    "The moment {A} ran into {B} at the park, {S} told a secret to",
]
HELD_OUT_TEMPLATES = [
    "Once {A} and {B} arrived at the castle, {S} sent a candle to",
    "The night {A} and {B} stayed in the tower, {S} lent a knife to",
    "Long ago {A} and {B} had a lot of fun at the lake. Then {S} carried the basket to",
    "At night, {A} and {B} sat down at the camp. Later {S} chose to lend a pillow to",
    "Once {A} took {B} to the island, {S} slowly sent a small box to",
    "Long ago {A} played with {B} at the pool. At last {S} wrote a note to",
]
