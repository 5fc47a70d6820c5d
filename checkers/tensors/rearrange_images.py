"""`tensors.rearrange_images`: a contact sheet, row by row."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("rearrange_images", forbid=["col2im"])  # col2im is F.fold


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (rows, columns), (channels, height, width) in [
        ("three rows of two", (3, 2), (4, 5, 7)),
        ("two rows of five", (2, 5), (3, 4, 6)),
        ("a single row", (1, 3), (2, 5, 4)),
        ("a single column", (5, 1), (3, 2, 4)),
        ("a single image", (1, 1), (2, 4, 3)),
        ("one channel", (3, 4), (1, 2, 5)),
    ]:
        yield Case(
            name,
            columns=columns,
            images=rng.normal((rows * columns, channels, height, width)),
            cotangent=rng.normal((channels, rows * height, columns * width)),
        )


ask.checks(
    equal("sheet", title="puts the images side by side, row after row", weight=2),
    equal("gradient", title="gradients reach the images"),
)

SCRAMBLED = (
    "A reshape alone keeps the order of the numbers in memory, so this mixes pixels of different images: "
    "move the axes first, so that row stands before height and column before width."
)

ask.mistakes(
    replace(
        "def rearrange_images(images, columns):\n"
        "    channels, width = images.shape[1], images.shape[3]\n"
        "    return images.reshape(channels, -1, columns * width)\n",
        SCRAMBLED,
    ),
    replace(
        "def rearrange_images(images, columns):\n"
        "    channels, width = images.shape[1], images.shape[3]\n"
        "    return images.transpose(0, 1).reshape(channels, -1, columns * width)\n",
        SCRAMBLED,
    ),
    edit(
        "return sheet.flatten(3, 4).flatten(1, 2)",
        "return grid.transpose(1, 2).reshape(images.shape[1], -1, columns * images.shape[3])",
        SCRAMBLED,
    ),
    edit(
        "images.unflatten(0, (-1, columns))",
        "images.unflatten(0, (columns, -1)).transpose(0, 1)",
        "The images run down the columns: fill the first row before the second.",
    ),
    edit(
        "(-1, columns)",
        "(columns, -1)",
        "columns is used as the number of rows: it says how many images stand side by side.",
    ),
    edit(
        "permute(2, 0, 3, 1, 4)",
        "permute(2, 1, 3, 0, 4)",
        "Rows and columns of the sheet are swapped: columns stand side by side along the width, rows below each other.",
    ),
    edit(
        "permute(2, 0, 3, 1, 4)",
        "permute(2, 0, 4, 1, 3)",
        "Each image is transposed: its height belongs to the height of the sheet, its width to the width.",
    ),
    edit(
        "permute(2, 0, 3, 1, 4)",
        "permute(2, 3, 0, 4, 1)",
        "Pixels of different images alternate, as in (height row): put the axis of rows before height, (row height).",
    ),
    edit(
        "return sheet.flatten(3, 4).flatten(1, 2)",
        "return sheet.flatten(3, 4).flatten(1, 2).permute(1, 2, 0)",
        "The channel comes last, as plotting libraries want it: here it stays first.",
    ),
    edit(
        "(-1, columns)",
        "(1, -1)",
        "All images stand in one row: begin a new row after every `columns` images.",
    ),
    edit(
        "(-1, columns)",
        "(-1, 2)",
        "The number of columns is written into the code: use the argument.",
    ),
    edit(
        "return sheet",
        "return sheet.detach()",
        "The sheet was cut from the graph (detach, .data, numpy or a list): gradients must reach the images.",
    ),
)
