"""`headwork verify`, `build` and `new`: for who writes chapters."""

from dataclasses import asdict
from pathlib import Path

from headwork.cli.grader import check_workers, workers_for
from headwork.cli.lookup import asked, shown
from headwork.cli.say import NOT_PASSED, PASSED, UNUSABLE, Stop, as_json, in_words, note, working


def verify(words: list[str], *, mutate: bool, slow: bool, seeds: int, workers: int | None, json: bool) -> int:
    found = asked(words)
    if found.files:
        raise Stop(f"verify takes exercises, and {found.files[0]} is a file: `headwork check` takes files")
    if seeds < 1:
        raise Stop("--seeds takes a number from 1")
    check_workers(workers)
    from headwork.authoring.verify import run
    from headwork.checkers.catalogue import ids

    display = (lambda results: as_json([asdict(each) for each in results])) if json else None
    exercises = found.ids or ids()
    side_by_side = workers_for(workers, len(exercises))
    return int(run(exercises, mutate=mutate, slow=slow, seeds=seeds, workers=side_by_side, display=display))


def build(*, check: bool, json: bool) -> int:
    from headwork.authoring.build import build as make

    with working("Building…"):
        paths = make(check=check)
    if json:
        as_json({"stale" if check else "written": [shown(path) for path in paths]})
        return NOT_PASSED if check and paths else PASSED
    if not paths:
        in_words("Every made file is as its chapter says.")
        return PASSED
    for path in paths:
        print(shown(path))
    if check:
        note("stale, or made from no chapter: run `headwork build`, and remove what remains")
        return NOT_PASSED
    note(f"{len(paths)} written")
    return PASSED


def new(id: str, *, json: bool) -> int:
    from headwork.authoring.new import create

    try:
        made: list[Path] = create(id)
    except (ValueError, FileExistsError) as error:
        raise Stop(str(error), UNUSABLE) from None
    if json:
        as_json({"exercise": id, "files": [shown(path) for path in made]})
        return PASSED
    for path in made:
        print(shown(path))
    note(f"Fill them in, then: headwork verify {id}")
    return PASSED
