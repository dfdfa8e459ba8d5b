"""What `blame` answers: the operations that are wrong, and how many were found to be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Culprit:
    """An operation by which a gradient goes wrong.

    Attributes
    ----------
    operation : str
        Its name; "leaf" for an array where the gradient is wanted.
    kind : {"RULE", "NONFINITE", "STALE", "ACCUMULATION"}
        Its rule is wrong; it answers NaN for finite numbers; an array was changed after it was used; the engine adds
        up the gradient of its result wrongly.
    input : str
        The argument that it is about, or "the result".
    shapes : tuple
        The shapes of the array arguments, and last that of the result.
    error : float
        Relative; NaN where there is no number to tell.
    line : str or None
        Where it was called, "file.py:12", or "between file.py:3 and file.py:7" where that is all that is known.
    index : tuple of int or None
        The element of the input at which it is worst.
    message : str
        What was found, and what to do.
    """

    operation: str
    kind: str
    input: str
    shapes: tuple[Shape, ...]
    error: float
    line: str | None
    index: tuple[int, ...] | None
    message: str

    def __str__(self) -> str:
        where = f" ({self.line})" if self.line else ""
        *arguments, result = self.shapes
        shapes = f"{', '.join(map(str, arguments))} -> {result}" if arguments else str(result)
        return f"{self.kind}: {self.operation}{where}, shapes {shapes}: {self.message}"


@dataclass(frozen=True)
class Blame(Sequence[Culprit]):
    """The culprits in a recorded computation.

    Attributes
    ----------
    culprits : list of Culprit
    operations : int
        How many operations were recorded.
    tested : int
        Of how many the rules were tested.
    untestable : Counter
        How often which reason forbade a test.
    """

    culprits: list[Culprit]
    operations: int
    tested: int
    untestable: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.culprits)

    @overload
    def __getitem__(self, index: int) -> Culprit: ...

    @overload
    def __getitem__(self, index: slice) -> list[Culprit]: ...

    def __getitem__(self, index: Any) -> Any:
        return self.culprits[index]

    def __iter__(self) -> Iterator[Culprit]:
        return iter(self.culprits)

    def __str__(self) -> str:
        count = len(self.culprits)
        found = "no culprit" if count == 0 else "1 culprit" if count == 1 else f"{count} culprits"
        lines = [f"{found} among {self.operations} operation{'s' if self.operations != 1 else ''}"]
        lines += [f"  {culprit}" for culprit in self.culprits]
        if any(c.operation != "leaf" and (c.line is None or " " in c.line) for c in self.culprits):
            lines.append("  record inside tg.gradcheck.watching() to learn the line of every operation")
        if self.untestable:
            lines.append(f"  not tested: {sum(self.untestable.values())}")
            lines += [
                f"    {reason}{f' ({times} times)' if times > 1 else ''}"
                for reason, times in self.untestable.most_common()
            ]
        return "\n".join(lines)

    __repr__ = __str__
