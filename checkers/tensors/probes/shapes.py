"""What is asked of answers in chapter `tensors`: shapes and products.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case, gradient


def rearrange_images(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "sheet", answer.rearrange_images(case.images, case.columns)
    yield (
        "gradient",
        gradient(lambda images: answer.rearrange_images(images, case.columns), case.cotangent, images=case.images),
    )


def batched_dot(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "dots", answer.batched_dot(case.a, case.b)
    yield "gradient", gradient(answer.batched_dot, case.cotangent, a=case.a, b=case.b)


def outer_and_trace(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "outer", answer.outer(case.a, case.b)
    yield "gradient of outer", gradient(answer.outer, case.outer_cotangent, a=case.a, b=case.b)
    yield "trace", answer.trace(case.matrices)
    yield "gradient of trace", gradient(answer.trace, case.trace_cotangent, matrices=case.matrices)


def split_heads(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "split", answer.split_heads(case.x, case.n_heads)
    yield (
        "gradient of split_heads",
        gradient(lambda x: answer.split_heads(x, case.n_heads), case.split_cotangent, x=case.x),
    )
    yield "merged", answer.merge_heads(case.heads)
    yield "gradient of merge_heads", gradient(answer.merge_heads, case.merge_cotangent, x=case.heads)
