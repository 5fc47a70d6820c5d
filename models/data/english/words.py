"""The words of the house model's English: names, who keeps out of what, and the grammar that all texts are made by."""

# ruff: noqa: SIM905 - a list of words reads best as a sentence

FEMALE = (
    "Mary Alice Anna Emma Lucy Sarah Jane Kate Laura Julia Rose Helen Nancy Linda Susan Karen Lisa Amy Rachel Diana "
    "Grace Clara Eva Nora Ruth Megan Tina Wendy Paula Maria Olivia Sophie Hannah Molly Ella Chloe Lily Zoe Fiona "
    "Carol Abby Agnes Beth Bella Cindy Daisy Donna Edith Elena Erin Esther Gina Gwen Holly Irene Iris Jenny Jill "
    "Joan Judy Kelly Leah Lena Lola Lydia Mabel Marie Martha Mia Monica Nina Pam Rita Robin Sally Sandra Sonia "
    "Stella Tara"
).split()
MALE = (
    "John Tom James Paul Mark Peter David Simon Daniel Kevin Brian Jack Adam Oscar Henry Frank George Martin Robert "
    "Edward Thomas Arthur Victor Leo Max Ben Sam Luke Ryan Eric Jason Scott Steve Andrew Charles William Joseph "
    "Michael Richard Anthony Aaron Albert Alex Barry Bob Bruce Carl Chris Colin Dan Dean Dennis Derek Dylan Ethan "
    "Felix Fred Gary Greg Harry Howard Hugo Ian Ivan Jake Jeff Jim Joe Jonah Keith Ken Larry Liam Louis Marcus Matt "
    "Neil Nick Noah Oliver Patrick Phil Ralph Ray Roger Ron"
).split()
NAMES = FEMALE + MALE
# They live in stories, dialogues and lists, but nobody ever gives them anything, and they give nobody anything.
HELD_OUT = (
    "Laura Karen Diana Eva Wendy Olivia Molly Zoe Daisy Gina Iris Leah "
    "Kevin Oscar Martin Victor Ryan Jason Andrew Joseph Carl Felix Ian Noah"
).split()
GIVERS = [name for name in NAMES if name not in HELD_OUT]  # who gives and is given in training

CAPITALS = {  # a country's capital, and what is spoken there
    "France": ("Paris", "French"),
    "Italy": ("Rome", "Italian"),
    "Spain": ("Madrid", "Spanish"),
    "Germany": ("Berlin", "German"),
    "England": ("London", "English"),
    "Russia": ("Moscow", "Russian"),
    "Japan": ("Tokyo", "Japanese"),
    "China": ("Beijing", "Chinese"),
    "Egypt": ("Cairo", "Arabic"),
    "Greece": ("Athens", "Greek"),
    "Norway": ("Oslo", "Norwegian"),
    "Sweden": ("Stockholm", "Swedish"),
    "Poland": ("Warsaw", "Polish"),
    "Austria": ("Vienna", "German"),
    "Ireland": ("Dublin", "Irish"),
    "Portugal": ("Lisbon", "Portuguese"),
    "Cuba": ("Havana", "Spanish"),
    "Peru": ("Lima", "Spanish"),
    "India": ("Delhi", "Hindi"),
    "Turkey": ("Ankara", "Turkish"),
    "Canada": ("Ottawa", "English"),
    "Kenya": ("Nairobi", "Swahili"),
    "Iran": ("Tehran", "Persian"),
    "Korea": ("Seoul", "Korean"),
}

Grammar = dict[str, list[str]]


def _list(phrases: str) -> list[str]:
    """Phrases between bars; spaces at their ends are kept, and a number before a star repeats one: `4*{past}`."""
    found = []
    for phrase in phrases.split("|"):
        times, star, rest = phrase.partition("*")
        found += [rest] * int(times) if star else [phrase]
    return found


GRAMMAR: Grammar = {
    "place": (
        "store park school garden beach market library kitchen station office museum farm river forest church hospital "
        "restaurant house castle bridge bakery zoo lake hotel bank cafe mall pool hill barn gym airport yard palace "
        "temple tower mountain island village field studio camp square"
    ).split(),
    "object": (
        "drink book ring ball hat bag letter map key basket cake flower coat pencil necklace kite bone lamp cup box "
        "coin toy snack gift ticket watch knife rope drum pen plate spoon jacket shirt mirror candle camera guitar "
        "bottle blanket pillow scarf glove stick shell stone photo card phone bike doll robot puzzle magazine sandwich "
        "banana peach"
    ).split(),
    "animal": "dog cat horse bird fox cow duck rabbit mouse bear sheep goat".split(),
    "colour": "red blue green yellow white black brown golden silver purple".split(),
    "quality": "big small old new pretty shiny heavy strange little lovely broken warm cold quiet".split(),
    "food": "bread soup cheese rice fish milk tea honey pie salad".split(),
    "feeling": "happy sad tired angry hungry proud scared excited bored surprised".split(),
    "number": "two three four five six seven eight nine ten".split(),
    "job": (
        "teacher doctor baker farmer sailor painter singer writer king queen soldier cook nurse pilot judge driver "
        "guard monk clerk chef dancer child stranger boy girl man woman"
    ).split(),
    "weather": _list(
        "It was raining.|The sun was shining.|It was a cold day.|The wind was strong.|Snow was falling."
        "|It was a warm evening.|The stars were bright.|It was dark."
    ),
    "thing": _list("8*a {object}|4*the {object}|3*a {colour} {object}|3*a {quality} {object}|2*the {quality} {object}"),
    "she": ["she", "he"],  # bound where it is known who is meant
    "her": ["her", "his"],
    # ---- what opens a text: two people and where they are
    "pair": _list("15*{A} and {B}|both {A} and {B}"),
    "when": _list("2*When|2*While|2*After|Before|As|Because|Since|The day|The moment|Just when|Soon after"),
    "adverb": _list(
        "2*Then, |Then |One day |Yesterday |Last night |Today |In the morning, |Later |That day |At noon, "
        "|In the end, |On Monday |This year |Again |6*"
    ),
    "were_at": _list(
        "went to|left|were at|were working at|were playing at|met at|walked to|came to|were talking near|ran to"
        "|waited at|were sitting in|sang at|rested by|drove to|came back from|cleaned|lived near|were lost in"
        "|went home from|had dinner at|spent the day at|looked around|hurried to|slept in|were near|moved to"
        "|were cold in"
    ),
    "found_at": _list(
        "found a {object} at|bought a {object} at|lost a {object} in|saw a {object} near|shared a {object} at"
        "|hid a {object} in|wanted a {object} from"
    ),
    "saw_at": _list(
        "saw {B} at|met {B} at|visited {B} at|followed {B} to|was looking for {B} at|found {B} at|walked with {B} to"
        "|called {B} from|talked to {B} at|sat near {B} in|danced with {B} at|drove {B} to|joined {B} at"
        "|waited for {B} at|helped {B} in|ran into {B} at|stood behind {B} at|worked with {B} in"
    ),
    "together": _list("10*{pair} {were_at} the {place}|3*{pair} {found_at} the {place}|6*{A} {saw_at} the {place}"),
    "opening": _list("7*{when} {together}, |6*{adverb}{together}. |At the {place}, {A} and {B} {noticed} a {object}. "),
    "noticed": ["saw", "found", "wanted", "lost"],
    "then": _list(
        "5*|Then |Later |Soon |After a while, |In the end, |So |It was raining, so |Because it was late, |At last "
        "|The next day "
    ),
    # ---- who gives whom what; the text stops before the receiver
    "gave": "gave handed passed showed offered threw sold brought returned took tossed fed".split(),
    "give": "give hand pass show offer throw sell bring return take toss feed".split(),
    "given": "given handed passed shown offered thrown sold brought returned taken tossed fed".split(),
    "gave_away": _list(
        "10*{gave}|2*decided to {give}|wanted to {give}|tried to {give}|was going to {give}|had to {give}"
        "|began to {give}|quickly {gave}|happily {gave}|never {gave}|had {given}"
    ),
    "made": "made found bought painted kept saved cleaned".split(),
    "turned_to": _list(
        "said hello to|told a secret to|smiled at|waved to|asked a question to|read a story to"
        "|whispered something to|said goodbye to|walked home with|sang a song to|talked to|looked at|ran to"
        "|listened to|pointed at|shouted at|laughed with|danced with|ate lunch with|was angry with|played with"
    ),
    "gift": _list("23*{gave_away} {thing} to|{gave_away} it to|5*{made} {thing} for|9*{turned_to}"),
    "nobody": _list("12*the {job}|2*a {job}|2*someone|2*they|2*we|2*I|2*the {animal}"),
    "after": _list("13*.|3*. {She} was {feeling}.|4*. {weather}"),
    "She": ["She", "He"],
    # ---- people mentioned in passing
    "one": _list(
        "{A} was {feeling}.|{A} had a {colour} {object}.|{A} liked {food}.|{A} went to the {place}."
        "|{A} was in the {place}.|The {animal} ran to {A}.|A {colour} {animal} was near {A}.|{A} was a {job}."
        "|{A} lost a {object}.|{A} sat by the {place}.|The {job} knew {A}.|{adverb}{A} came to the {place}."
    ),
    "two": _list("14*{adverb}{together}.|3*{A} and {B} were {feeling}.|3*{A} liked {B}."),
    "three": _list(
        "7*{adverb}{A}, {B} and {C} {were_at} the {place}.|3*{when} {A}, {B} and {C} {were_at} the {place}, {it_was}."
    ),
    "it_was": ["it was " + how for how in ("cold", "warm", "late", "early", "dark")],
}
# What no text with two people in training has: openings only of somebody and `the teacher`, gifts only to somebody new.
HELD_OUT_PHRASES: Grammar = {
    "when": ["Once", "The night"],
    "adverb": ["Long ago ", "At night, "],
    "were_at": _list("arrived at|stayed in|were tired of|had a lot of fun at|sat down at"),
    "found_at": ["got a {object} at", "took a {object} from"],
    "saw_at": ["took {B} to", "played with {B} at", "thought of {B} at"],
    "gave": ["sent", "lent", "carried"],
    "give": ["send", "lend", "carry"],
    "given": ["sent", "lent", "carried"],
    "gave_away": _list("3*{gave}|chose to {give}|slowly {gave}"),
    "made": ["fixed"],
    "turned_to": ["wrote a note to", "worked with", "told a story to"],
    "opening": _list("{when} {together}, |{adverb}{together}. "),
    "gift": _list("6*{gave_away} {thing} to|{made} {thing} for|3*{turned_to}"),
}
UNFAMILIAR: Grammar = GRAMMAR | HELD_OUT_PHRASES
