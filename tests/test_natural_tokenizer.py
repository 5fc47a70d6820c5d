"""Answers about the tokenizer as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.grading.submission import read_text

IMPORTS = """
import itertools
import math
import re
import unicodedata

import regex
"""

RIGHT = [
    (
        "gpt2.pretokenize",
        "possessive",
        r"""
def pretokenize(text):
    return regex.findall(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", text)
""",
    ),
    (
        "gpt2.pretokenize",
        "category prefix",
        r"""
def cls(c):
    if c in "\u180e": return "o"
    if c.isspace(): return "s"
    k = unicodedata.category(c)
    return k[0] if k[0] in "LN" else "o"

def pretokenize(text):
    tokens, i, n = [], 0, len(text)
    while i < n:
        m = re.match(r"'(?:s|t|re|ve|m|ll|d)", text[i:])
        if m:
            tokens.append(m.group()); i += m.end(); continue
        j = i + 1 if text[i] == " " and i + 1 < n and cls(text[i + 1]) != "s" else i
        k = j
        while k < n and cls(text[k]) == cls(text[j]):
            k += 1
        if cls(text[j]) == "s" and k < n and k - j > 1:
            k -= 1
        tokens.append(text[i:k]); i = k
    return tokens
""",
    ),
    (
        "gpt2.pretokenize",
        "re with classes built",
        r"""
def pretokenize(text):
    L = "".join(re.escape(c) for c in sorted(set(text)) if unicodedata.category(c).startswith("L"))
    N = "".join(re.escape(c) for c in sorted(set(text)) if unicodedata.category(c).startswith("N"))
    parts = ["'s|'t|'re|'ve|'m|'ll|'d"]
    if L: parts.append(f" ?[{L}]+")
    if N: parts.append(f" ?[{N}]+")
    parts.append(rf" ?[^\s{L}{N}]+")
    return re.findall("|".join(parts) + r"|\s+(?!\S)|\s+", text)
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "openai",
        """
def byte_pair_merge(word, ranks):

    word = tuple(bytes([b]) for b in word)
    pairs = set(zip(word, word[1:]))
    if not pairs:
        return list(word)
    while True:
        bigram = min(pairs, key=lambda p: ranks.get(p, float("inf")))
        if bigram not in ranks:
            break
        first, second = bigram
        new_word, i = [], 0
        while i < len(word):
            try:
                j = word.index(first, i)
                new_word.extend(word[i:j]); i = j
            except ValueError:
                new_word.extend(word[i:]); break
            if word[i] == first and i < len(word) - 1 and word[i + 1] == second:
                new_word.append(first + second); i += 2
            else:
                new_word.append(word[i]); i += 1
        word = tuple(new_word)
        if len(word) == 1: break
        pairs = set(zip(word, word[1:]))
    return list(word)
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "recursive on boundaries",
        """
def byte_pair_merge(word, ranks):

    def go(cuts):
        best = None
        for i in range(1, len(cuts) - 1):
            r = ranks.get((word[cuts[i-1]:cuts[i]], word[cuts[i]:cuts[i+1]]))
            if r is not None and (best is None or r < best[0]): best = (r, i)
        return cuts if best is None else go(cuts[:best[1]] + cuts[best[1]+1:])
    cuts = go(list(range(len(word) + 1)))
    return [word[a:b] for a, b in zip(cuts, cuts[1:])]
""",
    ),
    (
        "gpt2.bpe_encode",
        "cache dict",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):

    memo = {}
    ids = []
    for w in pretokenize(text):
        b = w.encode("utf8")
        if b not in memo: memo[b] = tuple(vocabulary[p] for p in byte_pair_merge(b, ranks))
        ids += memo[b]
    return ids
''',
    ),
    (
        "gpt2.bpe_encode",
        "helpers unwritten",
        """
def pretokenize(text):
    raise NotImplementedError
def byte_pair_merge(word, ranks):
    raise NotImplementedError
def bpe_encode(text, ranks, vocabulary):
    return [vocabulary[p] for w in pretokenize(text) for p in byte_pair_merge(w.encode(), ranks)]
""",
    ),
    (
        "gpt2.bpe_decode",
        "bytearray",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    out = bytearray()
    for i in ids: out.extend(inv[i])
    return out.decode(errors='replace')
""",
    ),
    (
        "gpt2.bpe_decode",
        "incremental",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    import codecs
    d = codecs.getincrementaldecoder('utf-8')(errors='replace')
    return ''.join(d.decode(inv[i]) for i in ids) + d.decode(b'', final=True)
""",
    ),
    (
        "gpt2.bpe_decode",
        "list index",
        """
def bpe_decode(ids, vocabulary):
    keys, values = list(vocabulary), list(vocabulary.values())
    return b''.join(keys[values.index(i)] for i in ids).decode('utf-8', errors='replace')
""",
    ),
]

WRONG = [
    (
        "gpt2.pretokenize",
        "re split keep",
        r"""
def pretokenize(text):
    return [w for w in re.split(r'(\s+)', text) if w]
""",
    ),
    (
        "gpt2.pretokenize",
        "words with leading",
        r"""
def pretokenize(text):
    return re.findall(r' ?\S+|\s+', text)
""",
    ),
    (
        "gpt2.pretokenize",
        "w",
        r"""
def pretokenize(text):
    return re.findall(r" ?\w+| ?[^\w\s]+|\s+", text)
""",
    ),
    (
        "gpt2.pretokenize",
        "isalnum groupby",
        """
def pretokenize(text):
    return [''.join(g) for _, g in itertools.groupby(text, key=lambda c: 'a' if c.isalpha() else 'n' if c.isnumeric() else 's' if c.isspace() else 'o')]
""",
    ),
    (
        "gpt2.pretokenize",
        "gpt4 pattern",
        r'''
def pretokenize(text):
    return regex.findall(r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+""", text)
''',
    ),
    (
        "gpt2.pretokenize",
        "ascii space negative",
        r'''
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+| +(?! )|\s+""", text)
''',
    ),
    (
        "gpt2.pretokenize",
        "tuple groups",
        r'''
def pretokenize(text):
    return regex.findall(r"""('s|'t|'re|'ve|'m|'ll|'d)|( ?\p{L}+)|( ?\p{N}+)|( ?[^\s\p{L}\p{N}]+)|(\s+(?!\S))|(\s+)""", text)
''',
    ),
    (
        "gpt2.pretokenize",
        "generator",
        r'''
def pretokenize(text):
    for m in regex.finditer(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text):
        yield m.group()
''',
    ),
    (
        "gpt2.pretokenize",
        "drop trailing",
        r'''
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text.rstrip())
''',
    ),
    (
        "gpt2.pretokenize",
        "Alphabetic",
        r'''
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{Alphabetic}+| ?\p{N}+| ?[^\s\p{Alphabetic}\p{N}]+|\s+(?!\S)|\s+""", text)
''',
    ),
    (
        "gpt2.pretokenize",
        "contraction no re ve",
        r'''
def pretokenize(text):
    return regex.findall(r"""'s|'t|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
''',
    ),
    (
        "gpt2.pretokenize",
        "only one trailing left",
        r'''
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?=\s)|\s+""", text)
''',
    ),
    (
        "gpt2.byte_pair_merge",
        "one pass left to right",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    out = []
    for p in parts:
        out.append(p)
        while len(out) > 1 and (out[-2], out[-1]) in ranks:
            out[-2:] = [out[-2] + out[-1]]
    return out
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "one merge only",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    cand = [(ranks[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in ranks]
    if cand:
        i = min(cand)[1]
        parts[i:i+2] = [parts[i] + parts[i+1]]
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "max rank",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    while len(parts) > 1:
        cand = [(ranks[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in ranks]
        if not cand: break
        i = max(cand)[1]
        parts[i:i+2] = [parts[i] + parts[i+1]]
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "if rank",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    while len(parts) > 1:
        best, where = None, None
        for i in range(len(parts) - 1):
            r = ranks.get((parts[i], parts[i+1]))
            if r and (best is None or r < best): best, where = r, i
        if where is None: break
        parts[where:where+2] = [parts[where] + parts[where+1]]
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "off by one",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    while len(parts) > 1:
        cand = [(ranks[parts[i], parts[i+1]], i) for i in range(len(parts) - 2) if (parts[i], parts[i+1]) in ranks]
        if not cand: break
        i = min(cand)[1]
        parts[i:i+2] = [parts[i] + parts[i+1]]
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "pops table",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    while ranks:
        pair = min(ranks, key=ranks.get); ranks.pop(pair)
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i+1]) == pair: parts[i:i+2] = [pair[0] + pair[1]]
            i += 1
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "replace bytes",
        """
def byte_pair_merge(word, ranks):

    s = [word[i:i+1] for i in range(len(word))]
    text = b" ".join(s)
    for (a, b), r in sorted(ranks.items(), key=lambda kv: kv[1]):
        text = text.replace(a + b" " + b, a + b)
    return text.split(b" ")
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "dict order",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    for a, b in ranks:
        i = 0
        while i < len(parts) - 1:
            if parts[i] == a and parts[i+1] == b: parts[i:i+2] = [a + b]
            i += 1
    return parts
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "empty crash",
        """
def byte_pair_merge(word, ranks):
    parts = [bytes([b]) for b in word]

    while True:
        pair = min(zip(parts, parts[1:]), key=lambda p: ranks.get(p, math.inf))
        if pair not in ranks: return parts
        i = list(zip(parts, parts[1:])).index(pair)
        parts[i:i+2] = [parts[i] + parts[i+1]]
""",
    ),
    (
        "gpt2.byte_pair_merge",
        "str word",
        """
def byte_pair_merge(word, ranks):

    parts = list(word.decode("utf-8", errors="replace"))
    return [p.encode() for p in parts]
""",
    ),
    (
        "gpt2.bpe_encode",
        "whole word first",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    out = []
    for w in pretokenize(text):
        b = w.encode()
        out += [vocabulary[b]] if b in vocabulary else [vocabulary[p] for p in byte_pair_merge(b, ranks)]
    return out
''',
    ),
    (
        "gpt2.bpe_encode",
        "special",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    out = []
    for part in regex.split(r'(<\|endoftext\|>)', text):
        if part == '<|endoftext|>': out.append(vocabulary[part.encode()])
        else: out += [vocabulary[p] for w in pretokenize(part) for p in byte_pair_merge(w.encode(), ranks)]
    return out
''',
    ),
    (
        "gpt2.bpe_encode",
        "G dot",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [vocabulary[p] for w in pretokenize(text) for p in byte_pair_merge(w.replace(' ', 'Ġ').encode(), ranks)]
''',
    ),
    (
        "gpt2.bpe_encode",
        "nested",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [[vocabulary[p] for p in byte_pair_merge(w.encode(), ranks)] for w in pretokenize(text)]
''',
    ),
    (
        "gpt2.bpe_encode",
        "set",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return sorted({vocabulary[p] for w in pretokenize(text) for p in byte_pair_merge(w.encode(), ranks)})
''',
    ),
    (
        "gpt2.bpe_encode",
        "returns pieces",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [p for w in pretokenize(text) for p in byte_pair_merge(w.encode(), ranks)]
''',
    ),
    (
        "gpt2.bpe_encode",
        "bos",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [vocabulary[b'<|endoftext|>']] + [vocabulary[p] for w in pretokenize(text) for p in byte_pair_merge(w.encode(), ranks)]
''',
    ),
    (
        "gpt2.bpe_encode",
        "utf16",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [vocabulary[p] for w in pretokenize(text) for p in byte_pair_merge(w.encode('utf-16-le'), ranks)]
''',
    ),
    (
        "gpt2.bpe_encode",
        "no pretok",
        r'''
def byte_pair_merge(word, ranks):

    parts = [word[i:i+1] for i in range(len(word))]
    while True:
        cand = [(ranks[(a, b)], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if (a, b) in ranks]
        if not cand: return parts
        _, i = min(cand)
        parts[i:i+2] = [parts[i] + parts[i+1]]
def pretokenize(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)
def bpe_encode(text, ranks, vocabulary):
    return [vocabulary[p] for p in byte_pair_merge(text.encode(), ranks)]
''',
    ),
    (
        "gpt2.bpe_decode",
        "each alone",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return ''.join(inv[i].decode('utf-8', errors='replace') for i in ids)
""",
    ),
    (
        "gpt2.bpe_decode",
        "try except empty",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    try:
        return b''.join(inv[i] for i in ids).decode()
    except UnicodeDecodeError:
        return ''
""",
    ),
    (
        "gpt2.bpe_decode",
        "chr",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return ''.join(chr(b) for i in ids for b in inv[i])
""",
    ),
    (
        "gpt2.bpe_decode",
        "str of bytes",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return str(b''.join(inv[i] for i in ids))
""",
    ),
    (
        "gpt2.bpe_decode",
        "no inverse",
        """
def bpe_decode(ids, vocabulary):
    return b''.join(vocabulary[i] for i in ids).decode('utf-8', 'replace')
""",
    ),
    (
        "gpt2.bpe_decode",
        "surrogateescape",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return b''.join(inv[i] for i in ids).decode('utf-8', 'surrogateescape')
""",
    ),
    (
        "gpt2.bpe_decode",
        "replace with ?",
        r"""
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return b''.join(inv[i] for i in ids).decode('utf-8', 'replace').replace('\ufffd', '?')
""",
    ),
    (
        "gpt2.bpe_decode",
        "list",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    return [inv[i].decode('utf-8', 'replace') for i in ids]
""",
    ),
    (
        "gpt2.bpe_decode",
        "none",
        """
def bpe_decode(ids, vocabulary):
    inv = {i: p for p, i in vocabulary.items()}
    b''.join(inv[i] for i in ids).decode('utf-8', 'replace')
""",
    ),
]


def grade(grader, id, source):
    return grader.grade(read_text("exercises.py", IMPORTS + source), [id]).verdicts[0]


@pytest.mark.parametrize(("id", "name", "source"), RIGHT, ids=[name for _, name, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, id, name, source):
    verdict = grade(grader, id, source)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("id", "name", "source"), WRONG, ids=[name for _, name, _ in WRONG])
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, id, name, source):
    verdict = grade(grader, id, source)
    assert verdict.status in ("failed", "error") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20, verdict
