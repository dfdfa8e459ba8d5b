"""What a differentiable operation is, and the table of them.

A `Primitive` is a function on arrays together with its *rules*: for each array argument one
vector-Jacobian product, written in plain NumPy over ``(g, ans, *args, **kwargs)``, where ``g`` is the
gradient that arrives at the output and ``ans`` is the output.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

Rule = Callable[..., Any]

#: Differentiable functions, by what users call.
PRIMITIVES: dict[Any, Primitive] = {}
#: Functions that are written here as a composition of others, by what users call.
COMPOSITES: dict[Any, Callable[..., Any]] = {}
#: Functions whose derivative is zero or undefined by nature: they return plain arrays.
PLAIN: set[Any] = set()

#: What to use instead of functions that cannot work on Tensors, by what users call.
ADVICE: dict[Any, str] = {}

#: What a node keeps of an array: nothing, a `Shell`, or the array.
DROP, SHELL, KEEP = range(3)
_SHAPE_ATTRIBUTES = {"shape", "ndim", "size", "dtype"}


class Shell:
    """Stands in a node for an array of which the rules read only the shape or the dtype."""

    __slots__ = ("shape", "dtype")

    def __init__(self, array: Any) -> None:
        if not hasattr(array, "dtype"):
            array = np.asarray(array)
        self.shape, self.dtype = array.shape, array.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return functools.reduce(lambda size, length: size * length, self.shape, 1)


class Plan(NamedTuple):
    """How a call is recorded of which certain arguments want a gradient.

    Attributes
    ----------
    left_out : tuple of (int, int)
        The positions in ``(ans, *args)`` of what the node does not keep, each with DROP or SHELL.
    rules : tuple of (int, callable or None)
        The arguments that want a gradient, each with its rule.
    """

    left_out: tuple[tuple[int, int], ...]
    rules: tuple[tuple[int, Rule | None], ...]


class Primitive:
    """A function on arrays with one rule for each array argument.

    Calling it with plain arrays calls `forward`; with Tensors the call is recorded.

    Parameters
    ----------
    function : callable
        What users call, and the key in the table.
    rules : sequence of callable or None
        ``rule(g, ans, *args, **kwargs)`` for each array argument, None where there is no derivative.
    forward : callable, optional
        What is run on raw arrays; `function` by default.
    name : str, optional
        The name in error messages and graphs.
    broadcasts : bool, optional
        Whether arguments are broadcast against each other, so that their gradients are summed over the
        stretched axes. By default true for ufuncs only.
    variadic : bool
        The function takes any number of arrays; its only rule is ``rule(i, g, ans, *args, **kwargs)``.
    outputs : bool
        The function returns a tuple of arrays; ``g`` is then a tuple with None for unused outputs.
    cached_rules : sequence of callable
        `forward` returns ``(ans, cache)``, and these rules, over ``(g, cache, *args, **kwargs)``, serve
        at first order. The rules that serve at any order never see the cache.
    elementwise : bool, optional
        A gradient has the shape of the output, and for a single argument its dtype, before it is summed over
        stretched axes. By default true for ufuncs with one output.
    add_to : callable, optional
        ``add_to(out, g, ans, *args)`` adds the gradient of the first argument to the array `out` in place, for rules
        whose answers are mostly zeros; used at first order where a sum has begun.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        rules: Iterable[Rule | None] = (),
        *,
        forward: Callable[..., Any] | None = None,
        name: str | None = None,
        broadcasts: bool | None = None,
        variadic: bool = False,
        outputs: bool = False,
        cached_rules: Iterable[Rule | None] = (),
        elementwise: bool | None = None,
        add_to: Callable[..., None] | None = None,
    ) -> None:
        self.function = function
        self.forward = forward or function
        self.__name__ = self.name = name or str(getattr(function, "__name__", repr(function)))
        self.__doc__ = function.__doc__
        self.broadcasts = isinstance(function, np.ufunc) if broadcasts is None else broadcasts
        if elementwise is None:
            elementwise = isinstance(function, np.ufunc) and function.signature is None and function.nout == 1
        self.elementwise = elementwise
        self.variadic = variadic
        self.outputs = outputs
        self.add_to = add_to
        #: Our own rules answer with their arguments or with new arrays, a user's perhaps with a constant of theirs.
        self.answers_new = True
        self.set_rules(rules, cached_rules)

    def set_rules(self, rules: Iterable[Rule | None], cached_rules: Iterable[Rule | None] = ()) -> None:
        """Replace the rules; what nodes have to keep is worked out anew."""
        self.rules = tuple(rules)
        self.cached_rules = tuple(cached_rules)
        self.__dict__.pop("keywords", None)
        #: By which arguments want a gradient.
        self.plans: dict[tuple[bool, ...], Plan] = {}
        #: What a node keeps in the commonest cases.
        none: tuple[int, ...] = ()
        self.uses_of_one = self.uses_of_first = self.uses_of_second = self.uses_of_both = none
        if self.elementwise and self.rules:
            self.uses_of_one = self._uses((True,))
            self.uses_of_first, self.uses_of_second, self.uses_of_both = map(
                self._uses, ((True, False), (False, True), (True, True))
            )

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            kind = type(arg)
            if kind is not np.ndarray and hasattr(kind, "_apply"):
                return kind._apply(self, args, kwargs)
        ans = self.forward(*args, **kwargs)
        return ans[0] if self.cached_rules else ans

    def rule(self, i: int, cached: bool = False) -> Rule | None:
        """The rule for argument `i`, or None where there is no derivative."""
        rules = self.cached_rules if cached else self.rules
        if self.variadic:
            return functools.partial(rules[0], i) if rules and rules[0] else None
        return rules[i] if i < len(rules) else None

    @functools.cached_property
    def keywords(self) -> set[str]:
        """The keywords that the rules know."""
        rule = next((rule for rule in self.rules if rule is not None), None)
        return set() if rule is None else set(list(inspect.signature(rule).parameters)[3 if self.variadic else 2 :])

    def argument_name(self, i: int) -> str:
        """What the documentation calls argument `i`."""
        try:
            parameters = list(inspect.signature(self.function).parameters.values())
            parameter = parameters[min(i, len(parameters) - 1)]
        except (TypeError, ValueError):
            return f"argument {i}"
        return f"argument {i} ({parameter.name})" if parameter.kind is not parameter.VAR_POSITIONAL else f"argument {i}"

    def plan(self, needs: tuple[bool, ...]) -> Plan:
        """How to record a call of which the arguments marked in `needs` want a gradient."""
        plan = self.plans[needs] = Plan(
            tuple([(k, use) for k, use in enumerate(self._uses(needs)) if use != KEEP]),
            tuple([(i, self.rule(i)) for i, need in enumerate(needs) if need]),
        )
        return plan

    def _uses(self, needs: tuple[bool, ...]) -> tuple[int, ...]:
        """DROP, SHELL or KEEP for each of (ans, *args)."""
        uses = [DROP] * (1 + len(needs))
        first = 2 if self.variadic else 1
        for rules in (self.rules, self.cached_rules):
            for i in [0] if self.variadic else [i for i, need in enumerate(needs) if need]:
                rule = rules[i] if i < len(rules) else None
                if rule is not None:
                    uses = list(map(max, uses, _reads(rule, first, len(uses))))
        return tuple(uses)


def _reads(rule: Rule, first: int, count: int) -> list[int]:
    """How `rule` uses its `count` positional arguments from `first` on: DROP, SHELL or KEEP.

    Read off the compiled code. Whatever is not understood counts as KEEP, so that a mistake here costs
    memory and never a wrong gradient.
    """
    if not inspect.isfunction(rule):
        return [KEEP] * count
    uses: dict[str, int] = {}
    instructions = list(dis.get_instructions(rule))
    for step, following in zip(instructions, instructions[1:], strict=False):
        if not any(word in step.opname for word in ("FAST", "DEREF", "CLOSURE", "CELL")):
            continue
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        for name in names:
            only_shape = (
                step.opname.startswith("LOAD_FAST")
                and name == names[-1]
                and following.opname == "LOAD_ATTR"
                and following.argval in _SHAPE_ATTRIBUTES
            )
            uses[name] = max(uses.get(name, DROP), SHELL if only_shape else KEEP)
    code = rule.__code__
    named = [uses.get(name, DROP) for name in code.co_varnames[first : code.co_argcount]]
    if code.co_flags & inspect.CO_VARARGS:
        named += [uses.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], DROP)] * count
    return (named + [DROP] * count)[:count]


def define(function: Callable[..., Any], *rules: Rule | None, aliases: Iterable[Any] = (), **options: Any) -> Primitive:
    """Enter `function` with its rules into the table."""
    primitive = Primitive(function, rules, **options)
    PRIMITIVES.update(dict.fromkeys((function, primitive, *aliases), primitive))
    return primitive


def composite(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function, written in differentiable NumPy, as what `functions` do on Tensors."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSITES.update(dict.fromkeys(functions, implementation))
        return implementation

    return enter
