"""The tokenizer by hand: a scanner that asks for each character's category, and one merge at a time."""

import unicodedata


def kind(character):
    if character.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def pretokenize(text):
    words = []
    i = 0
    while i < len(text):
        contraction = ""
        for ending in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]:
            if text.startswith(ending, i):
                contraction = ending
                break
        if contraction:
            words.append(contraction)
            i += len(contraction)
            continue
        j = i
        if text[i] == " " and i + 1 < len(text):
            j = i + 1
        if kind(text[j]) != "space":
            end = j
            while end < len(text) and kind(text[end]) == kind(text[j]):
                end += 1
        else:
            end = i
            while end < len(text) and kind(text[end]) == "space":
                end += 1
            if end < len(text) and end - i >= 2:
                end -= 1
        words.append(text[i:end])
        i = end
    return words


def byte_pair_merge(word, ranks):
    parts = []
    for byte in word:
        parts.append(bytes([byte]))
    while True:
        best_rank, best_place = None, None
        for i in range(len(parts) - 1):
            pair = (parts[i], parts[i + 1])
            if pair in ranks and (best_rank is None or ranks[pair] < best_rank):
                best_rank, best_place = ranks[pair], i
        if best_place is None:
            return parts
        parts = parts[:best_place] + [parts[best_place] + parts[best_place + 1]] + parts[best_place + 2 :]


def bpe_encode(text, ranks, vocabulary):
    ids = []
    for word in pretokenize(text):
        for part in byte_pair_merge(bytes(word, "utf8"), ranks):
            ids.append(vocabulary[part])
    return ids


def bpe_decode(ids, vocabulary):
    data = bytearray()
    for i in ids:
        for part, number in vocabulary.items():
            if number == i:
                data.extend(part)
    return str(data, "utf-8", "replace")
