"""The tokenizer with GPT-2's one pattern, and merges tried in the order in which they were learned."""

import functools

import regex as re

PATTERN = re.compile(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def pretokenize(text):
    return [match.group() for match in PATTERN.finditer(text)]


def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]
    for first, second in sorted(ranks, key=ranks.get):
        i = 0
        while i < len(parts) - 1:
            if parts[i] == first and parts[i + 1] == second:
                parts[i : i + 2] = [first + second]
            i += 1
    return parts


def bpe_encode(text, ranks, vocabulary):
    @functools.cache
    def encode_word(word):
        return [vocabulary[part] for part in byte_pair_merge(word.encode(), ranks)]

    return sum((encode_word(word) for word in pretokenize(text)), [])


def bpe_decode(ids, vocabulary):
    inverse = dict(zip(vocabulary.values(), vocabulary.keys()))
    return b"".join(map(inverse.get, ids)).decode(errors="replace")
