"""`headwork hint`, `headwork solution` and `headwork init`: what a learner asks for besides judgement."""

from collections import Counter
from pathlib import Path

from headwork.cli.lookup import one_exercise, shown
from headwork.cli.say import PASSED, Stop, as_json, code, in_words, working


def hint(word: str, *, json: bool) -> int:
    from headwork.gradebook.practice import next_hint
    from headwork.gradebook.store import ME, Gradebook

    id = one_exercise(word)
    with Gradebook.open() as book:
        given = next_hint(book, ME, id)
    if given is None:
        raise Stop(f"{id} has no hints")
    if json:
        as_json({"exercise": id, "text": given.text, "number": given.number, "of": given.of, "left": given.left})
        return PASSED
    in_words(f"{id}, hint {given.number} of {given.of}", "bold")
    in_words(f"\n{given.text}\n", indent=2)
    if given.left:
        in_words(f"{given.left} more: `headwork hint {id}`.")
    else:
        in_words("That was the last one." if given.new else "You have had them all; this was the last one.")
    return PASSED


def solution(word: str, *, force: bool, json: bool) -> int:
    from headwork.gradebook.practice import may_see
    from headwork.gradebook.store import ME, Gradebook

    id = one_exercise(word)
    with working("Looking it up…"):
        text = reference(id)
    with Gradebook.open() as book:
        if not may_see(book, ME, id, force):
            mend = f"try it first (`headwork check {id}`), or add --force, which is recorded"
            raise Stop(f"the reference of {id} is shown after an attempt: {mend}")
    if json:
        as_json({"exercise": id, "source": text})
    else:
        code(text)
    return PASSED


def reference(id: str) -> str:
    """What the reference defines for one exercise."""
    from headwork.authoring.exercises import chapter_code
    from headwork.chapters.course import chapter

    return chapter_code(chapter(id.partition(".")[0]), filled=True).exercises[id].strip("\n") + "\n"


def init(directory: Path, *, restore: bool, json: bool) -> int:
    from headwork.gradebook.workspace import MEANING
    from headwork.gradebook.workspace import init as make

    done = make(directory, restore=restore)
    if json:
        files = [{"file": path.relative_to(directory).as_posix(), "action": action} for path, action in done]
        as_json({"workspace": str(directory), "files": files})
        return PASSED
    counts = Counter(action for _, action in done)
    place = shown(directory)
    if set(counts) == {"created"}:
        in_words(f"Made a workspace in {place}, with {len(done)} files:")
    elif set(counts) == {"current"}:
        in_words(f"{place} is up to date: {len(done)} files, nothing to do.")
    else:
        in_words(f"{place} is up to date:")
    quiet = {"current"}
    names = [(path.relative_to(directory).as_posix(), action) for path, action in done if action not in quiet]
    for name, action in names:
        print(f"  {name:<{max(len(name) for name, _ in names)}}  {MEANING[action]}")
    if "created" in counts:
        step = "" if directory.resolve() == Path.cwd() else f"`cd {place}`, then "
        in_words(f"\nNext: {step}`headwork status`.")
    return PASSED
