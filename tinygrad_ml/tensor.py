"""Tensor: an array, its gradient, its place in the graph; operators; NumPy's two protocols."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import dispatch
from .array_methods import ArrayMethods
from .engine import cast, pull
from .graph import Leaf, enable_grad, is_recording, tracing
from .primitive import PRIMITIVES, Primitive
from .record import Traced, apply, binary, make, raw, results_are, unary


class Tensor(ArrayMethods, Traced):
    """An array that remembers how it was computed, so that derivatives can be taken.

    NumPy's functions, ufuncs, operators and methods work on it, mixed with arrays and numbers.

    Parameters
    ----------
    data : array_like
        An array is wrapped and not copied; arrays of other libraries that speak NumPy's protocols stay
        what they are.
    requires_grad : bool, default=False
        Whether `backward` shall leave the gradient with respect to this tensor in `grad`.
    dtype : data type, optional
        Convert to this type first.

    Raises
    ------
    TypeError
        For integers that shall have a gradient, for objects that are not numbers, and for a Tensor that is
        part of a graph.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> np.sum(np.exp(x) * x).backward()
    >>> bool(np.allclose(x.grad, np.exp(x.data) * (1 + x.data)))
    True
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        self._data = _as_array(data, dtype)
        self._node = None
        self._grad = None
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self) -> Any:
        """The array. Of a computed Tensor it is read-only, because the graph may still read it."""
        data = self._data
        if isinstance(data, np.generic):
            data = np.asarray(data)
            if self.is_leaf:
                self._data = data
        if type(data) is np.ndarray and not self.is_leaf:
            data = data.view()
            data.flags.writeable = False
        return data

    @data.setter
    def data(self, value: Any) -> None:
        if not self.is_leaf:
            raise RuntimeError(
                "data: this tensor was computed from others, and changing it would make their gradients wrong; "
                "assign to a leaf, or to x.detach()"
            )
        if value is self._data:  # as after x.data -= step
            return
        value = _as_array(value)
        if self._node is not None and (value.shape != self._data.shape or value.dtype != self._data.dtype):
            raise ValueError(
                f"data: a tensor that requires grad keeps its shape {self._data.shape} and dtype {self._data.dtype}; "
                f"got shape {value.shape} and dtype {value.dtype}"
            )
        self._data = value

    @property
    def grad(self) -> Any:
        """The gradient that `backward` left here: an array of data's shape and dtype, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and np.shape(value) != self.shape:
            raise ValueError(f"grad: expected shape {self.shape} as the data's, got {np.shape(value)}")
        self._grad = value

    @property
    def requires_grad(self) -> bool:
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError("requires_grad: set it on leaves; for a computed tensor without history use x.detach()")
        if not value:
            self._node = None
        elif self._node is None:
            if self.dtype.kind not in "fc":
                raise TypeError(
                    f"requires_grad: only floating-point tensors have gradients, and this one is {self.dtype}. "
                    "Write 1.0 instead of 1, or pass dtype=float."
                )
            self._node = Leaf(self)

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than computed."""
        return self._node is None or type(self._node) is Leaf

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return np.real(self)

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @property
    def flat(self) -> Iterator[Any]:
        return iter(np.ravel(self))

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor to `grad` of every leaf it was computed from.

        Parameters
        ----------
        gradient : array_like, optional
            The gradient with respect to this tensor, of its shape; 1 by default for a single number.
        create_graph : bool, default=False
            Record the backward pass too, so that ``grad`` is a Tensor that can be differentiated.

        Raises
        ------
        RuntimeError
            Where this tensor needs no gradient, where it is not a single real number and no `gradient` is
            given, and where a leaf was changed since it was used.
        ValueError
            Where `gradient` has another shape.
        """
        if self._node is None:
            raise RuntimeError(
                "backward: this tensor was not computed from any tensor with requires_grad=True, "
                "or was computed under no_grad()"
            )
        gradient = _seed(self, gradient)
        if create_graph:
            with enable_grad():
                gradients = pull(self._node, gradient, wrap=make)
        else:
            gradients = pull(self._node, gradient)
        for leaf, (grad, owned) in gradients.items():
            tensor = leaf.owner and leaf.owner()
            if tensor is None:
                continue
            if owned and tensor._grad is None and grad.dtype is tensor._data.dtype and grad.dtype.kind != "c":
                tensor._grad = grad
                continue
            if grad.dtype.kind == "c":
                grad = np.conjugate(grad)
            grad = cast(grad, tensor.dtype)
            if tensor._grad is not None:
                grad = tensor._grad + grad
            elif not owned and not isinstance(grad, Tensor):
                grad = grad.copy() if type(grad) is not np.ndarray else np.array(grad, order="K")
            if isinstance(grad, Tensor) and not create_graph:
                grad = grad._data
            elif create_graph and not isinstance(grad, Tensor):
                grad = make(grad, None)  # constant
            tensor._grad = np.asarray(grad) if isinstance(grad, np.generic) else grad

    def detach(self) -> Tensor:
        """The same array without its history; read-only where a graph may still read it."""
        data = self._data
        return make(self.data if type(data) is np.ndarray and not self.is_leaf else data, None)

    def numpy(self) -> Any:
        """The array; read-only where the tensor is computed and part of a graph."""
        return self.data

    def item(self) -> Any:
        """The only element, as a Python number."""
        return self._number("item")

    def tolist(self) -> Any:
        self._check_not_traced("tolist")
        return self._data.tolist()

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return np.astype(self, dtype, copy=copy)

    def copy(self, order: Any = "K") -> Any:
        return np.copy(self, order=order)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({}) if self.is_leaf else self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaves can be copied with their gradients; use x.detach() first")
        twin = type(self).__new__(type(self))
        Tensor.__init__(twin, self._data.copy(), self.requires_grad)
        twin._grad = None if self._grad is None else self._grad.copy()
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError("pickle: a tensor that is part of a graph cannot be pickled; use x.detach()")
        return _rebuild, (type(self), self._data, self.requires_grad, self._grad)

    def __repr__(self) -> str:
        body = np.array2string(np.asarray(self._data), separator=", ", prefix="Tensor(") if isinstance(
            self._data, (np.ndarray, np.generic)) else repr(self._data)  # fmt: skip
        dtype = "" if self.dtype in (np.float64, np.int64, np.bool_) else f", dtype={self.dtype}"
        return f"Tensor({body}{dtype}{', requires_grad=True' if self.requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else format(str(self), spec)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d Tensor")
        return iter(np.unstack(self))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        return operator.index(self._data)

    def _number(self, kind: str) -> Any:
        self._check_not_traced(kind)
        return self._data.item() if hasattr(self._data, "item") else self._data  # as in Dask

    def _check_not_traced(self, kind: str) -> None:
        if self._node is not None and tracing.depth:
            raise TypeError(
                f"{kind}(): inside grad, jacobian and their kin this would silently cut the tensor from its gradient. "
                "Use np.* instead of math.*, np.stack instead of a[i] = x, or x.detach() where no gradient is "
                "wanted."
            )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._node is not None:
            raise TypeError(
                "a Tensor that requires grad was about to be turned into a plain array, which would silently cut it "
                "from its gradient. Use a NumPy function that has a rule (np.stack for lists of Tensors), or "
                "x.detach() where no gradient is wanted."
            )
        return np.asarray(self._data, dtype=dtype) if not copy else np.array(self._data, dtype=dtype)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "x[i] = v: a Tensor is not written to in place, because the graph may still read it. "
            "Use np.where(mask, v, x) or np.concatenate to compute a new one, or x.data[i] = v on a leaf."
        )

    def __getitem__(self, index: Any) -> Any:
        return apply(_GETITEM, (self, raw(index)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            primitive = PRIMITIVES.get(ufunc)
            if primitive is not None:
                if not primitive.elementwise:
                    return apply(primitive, inputs)
                if len(inputs) == 1:
                    return unary(primitive, inputs[0])
                if len(inputs) == 2:
                    return binary(primitive, inputs[0], inputs[1])
        return dispatch.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return dispatch.call(function, args, kwargs)

    @staticmethod
    def _apply(primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if primitive.elementwise and len(args) == 1 and not kwargs:
            return unary(primitive, args[0])
        return apply(primitive, args, kwargs)

    def __add__(self, other: Any) -> Any:
        return binary(_ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return binary(_ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return binary(_SUBTRACT, self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary(_SUBTRACT, other, self)

    def __mul__(self, other: Any) -> Any:
        return binary(_MULTIPLY, self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary(_MULTIPLY, other, self)

    def __truediv__(self, other: Any) -> Any:
        return binary(_DIVIDE, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return binary(_DIVIDE, other, self)

    def __pow__(self, other: Any) -> Any:
        return np.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return np.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return apply(_MATMUL, (self, other))

    def __rmatmul__(self, other: Any) -> Any:
        return apply(_MATMUL, (other, self))

    def __mod__(self, other: Any) -> Any:
        return np.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return np.remainder(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return np.floor_divide(other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Any:
        return unary(_NEGATIVE, self)

    def __pos__(self) -> Any:
        return np.positive(self)

    def __abs__(self) -> Any:
        return np.absolute(self)

    def __eq__(self, other: Any) -> Any:
        return np.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return np.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return np.less(self, other)

    def __le__(self, other: Any) -> Any:
        return np.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return np.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return np.greater_equal(self, other)

    def __iadd__(self, other: Any) -> Any:
        return self._in_place(operator.iadd, self.__add__, other)

    def __isub__(self, other: Any) -> Any:
        return self._in_place(operator.isub, self.__sub__, other)

    def __imul__(self, other: Any) -> Any:
        return self._in_place(operator.imul, self.__mul__, other)

    def __itruediv__(self, other: Any) -> Any:
        return self._in_place(operator.itruediv, self.__truediv__, other)

    def _in_place(self, in_place: Any, out_of_place: Any, other: Any) -> Any:
        """``x += v`` updates a leaf under `no_grad`, and makes a new tensor of anything else."""
        if type(self._node) is not Leaf:
            return out_of_place(other)
        if is_recording():
            raise RuntimeError(
                f"{in_place.__name__}: a leaf that requires grad is updated in place outside no_grad(). "
                "For a training step write `with tg.no_grad(): w -= rate * w.grad`, or w.data -= rate * w.grad."
            )
        self._data = in_place(self.data, raw(other))
        return self


_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _NEGATIVE, _MATMUL, _GETITEM = (
    PRIMITIVES[function]
    for function in (np.add, np.subtract, np.multiply, np.divide, np.negative, np.matmul, operator.getitem)
)
results_are(Tensor)
_ONE = np.float64(1)


def _as_array(data: Any, dtype: Any = None) -> Any:
    if isinstance(data, Tensor):
        if data._node is not None:
            raise TypeError(
                "Tensor: the argument is a Tensor that requires grad, and wrapping it again would cut it from its "
                "history; use it as it is, or x.detach()"
            )
        data = data._data
    if not hasattr(data, "__array_function__") or isinstance(data, np.generic):
        scalar = isinstance(data, (int, float, complex, np.generic))
        data = np.asarray(data, dtype)
        if scalar:
            data = data[()]  # NumPy is 8 times as fast on its scalars as on 0-d arrays
    elif dtype is not None:
        data = data.astype(dtype, copy=False)
    if isinstance(data, np.matrix):
        data = np.asarray(data)  # whose product is not elementwise
    if data.dtype.kind not in "biufc":
        raise TypeError(f"Tensor: needs numbers, got an array of dtype {data.dtype}")
    return data


def _rebuild(kind: type[Tensor], data: Any, requires_grad: bool, grad: Any) -> Tensor:
    tensor = kind.__new__(kind)
    Tensor.__init__(tensor, data, requires_grad)
    tensor._grad = grad
    return tensor


def _seed(tensor: Tensor, gradient: Any) -> Any:
    """The gradient at the root of a backward pass."""
    data = tensor._data
    if gradient is None:
        if type(data) is np.float64:
            return _ONE
        if data.size != 1 or data.dtype.kind == "c":
            raise RuntimeError(
                f"backward: the tensor has shape {data.shape} and dtype {data.dtype}, and only a single real number "
                "has a gradient of its own; sum it first, or pass gradient= of its shape"
            )
        return type(data)(1) if isinstance(data, np.generic) else np.ones_like(data)
    if np.shape(gradient) != data.shape:
        raise ValueError(f"backward: gradient has shape {np.shape(gradient)}, expected {data.shape} as the tensor's")
    if not hasattr(gradient, "dtype") or gradient.dtype != data.dtype:
        gradient = np.asarray(gradient) if not hasattr(gradient, "astype") else gradient
        if gradient.dtype.kind == "c" and data.dtype.kind != "c":
            raise TypeError(f"backward: gradient is {gradient.dtype} for a tensor of dtype {data.dtype}")
        gradient = gradient.astype(data.dtype)
    if data.dtype.kind == "c":
        gradient = np.conjugate(gradient)
    return raw(gradient) if isinstance(gradient, Tensor) and gradient._node is None else gradient
