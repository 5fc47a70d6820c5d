"""An order for statements: some must go before others, some had better, and for the rest the source's order holds."""

from collections.abc import Iterable

MOST_STEPS = 200_000  # of looking for circles; beyond that wishes are not heard


class Order:
    """Statements are known by their index in the source."""

    def __init__(self) -> None:
        self._before: dict[int, list[int]] = {}
        self._wishes: list[tuple[int, int]] = []
        self._steps = 0

    def require(self, index: int, earlier: Iterable[int]) -> None:
        """`earlier` must go before `index`."""
        self._before.setdefault(index, []).extend(each for each in earlier if each != index)

    def prefer(self, index: int, earlier: int) -> None:
        """`earlier` had better go before `index`: heard unless a requirement says otherwise."""
        self._wishes.append((index, earlier))

    @property
    def is_full(self) -> bool:
        """True when no more wishes should be made."""
        return len(self._wishes) >= MOST_STEPS

    def sorted(self, chosen: set[int]) -> list[int]:
        for index, earlier in self._wishes:
            if not self._goes_before(index, earlier):
                self.require(index, [earlier])
        self._wishes = []
        result: list[int] = []
        begun: set[int] = set()
        for start in sorted(chosen):
            waiting = [(start, False)]
            while waiting:
                index, is_ready = waiting.pop()
                if is_ready:
                    result.append(index)
                elif index not in begun:
                    begun.add(index)
                    waiting.append((index, True))
                    waiting += [(each, False) for each in sorted(self._before.get(index, ()), reverse=True)]
        return result

    def _goes_before(self, earlier: int, index: int) -> bool:
        """Whether `earlier` must go before `index`, by way of others too."""
        waiting, seen = [index], {index}
        while waiting:
            self._steps += 1
            if self._steps > MOST_STEPS:
                return True
            each = waiting.pop()
            if each == earlier:
                return True
            new = [before for before in self._before.get(each, ()) if before not in seen]
            seen.update(new)
            waiting += new
        return False
