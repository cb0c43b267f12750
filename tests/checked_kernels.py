"""Kernels run by the Python interpreter instead of as machine code, every access checked.

A kernel's source is Python. Here it runs with pointers that know how long the buffer behind an address
is, so that one element too far is an error instead of a wrong number somewhere else; and a program needs
no compiler, so that many can be tried.
"""

from __future__ import annotations

import bisect
import ctypes
import math
import types

import numpy as np

from chainrule.emit.native import memory, runner, runtime

CTYPES = {np.dtype(t): np.ctypeslib.as_ctypes_type(t) for t in (*"bBhHiIqQfd",)}


class OutsideBufferError(Exception):
    """A kernel reads or writes outside the buffer that it was given."""


class Pointer:
    """A typed address. Within a known buffer every access is checked; blocks and tables are not known."""

    def __init__(self, address, dtype, buffers):
        self.address, self.dtype = int(address), np.dtype(dtype)
        at = bisect.bisect_right(buffers.starts, self.address) - 1
        known = at >= 0 and self.address < buffers.starts[at] + max(buffers.arrays[at].nbytes, 1)
        self.array = None
        if known:
            array, offset = buffers.arrays[at], self.address - buffers.starts[at]
            if array.dtype != self.dtype and self.dtype.itemsize == array.dtype.itemsize == 1:
                array = array.view(self.dtype)
            if array.dtype != self.dtype:  # a gather moves bytes and words, whatever they are
                array = array.view(self.dtype)
            self.array = array[offset // self.dtype.itemsize :]

    def _element(self, i):
        return CTYPES[self.dtype].from_address(self.address + int(i) * self.dtype.itemsize)

    def __getitem__(self, i):
        if self.array is None:
            return self.dtype.type(self._element(i).value)
        if not 0 <= i < len(self.array):
            raise OutsideBufferError(f"read at {i} of {len(self.array)} elements")
        return self.array[i]

    def __setitem__(self, i, value):
        if self.array is None:
            self._element(i).value = value
            return
        if not 0 <= i < len(self.array):
            raise OutsideBufferError(f"write at {i} of {len(self.array)} elements")
        self.array[i] = value


class Buffers:
    """All buffers that were allocated, in the order of their addresses."""

    def __init__(self):
        self.starts, self.arrays = [], []

    def aligned(self, elements, dtype):
        """A buffer of exactly that many elements, filled with what no program should read."""
        room = np.zeros(max(elements, 1), dtype)
        array = room[:elements]
        at = bisect.bisect(self.starts, room.ctypes.data)
        self.starts.insert(at, room.ctypes.data)
        self.arrays.insert(at, array)
        return room


class _Math:
    """The functions of math as compiled code has them: no exceptions, the type stays."""

    exp, log, log1p, expm1, sqrt = np.exp, np.log, np.log1p, np.expm1, np.sqrt
    sin, cos, tanh, pow = np.sin, np.cos, np.tanh, np.power
    inf, nan = math.inf, math.nan


class Machine:
    """Stands for the processor: turns sources into numbers, and runs what a number stands for."""

    def __init__(self):
        self.buffers = Buffers()
        self.functions = []
        self.names = {"math": _Math, "inf": math.inf, "nan": math.nan, "abs": abs, "call": self.call}
        kinds = {"f4": "f4", "f8": "f8", "b1": "u1"} | {f"{s}{n}": f"{s}{n}" for s in "iu" for n in (1, 2, 4, 8)}
        for name, dtype in kinds.items():
            self.names[name] = np.bool_ if name == "b1" else np.dtype(dtype).type
            self.names[f"{name}p"] = lambda address, dtype=dtype: Pointer(address, dtype, self.buffers)
        self.names |= {
            "FLUSH_TO_ZERO": 0,
            "store_control": lambda address: None,
            "load_control": lambda address: None,
            "power_of_two": lambda k: np.float32(2.0 ** int(k)),
            "high_product": lambda x, y: np.uint64(int(x) * int(y) >> 64),
            "call_gemm": self.call_gemm,
        }
        for name, value in vars(runtime).items():
            plain = getattr(value, "py_func", value)
            if isinstance(plain, types.FunctionType) and not plain.__closure__ and name not in self.names:
                self.names[name] = types.FunctionType(plain.__code__, self.names, name, plain.__defaults__)

    def addresses(self, sources):
        """A number for each kernel."""
        found = []
        for source in sources:
            if source in runtime.FIXED:
                function = self.names[source]
            else:
                namespace = {}
                exec(f"def kernel(block):\n{source}\n", self.names, namespace)
                function = namespace["kernel"]
            self.functions.append(function)
            found.append(len(self.functions) - 1)
        return found

    def call(self, address, block):
        with np.errstate(all="ignore"):
            self.functions[int(address)](int(block))

    def call_gemm(self, address, arguments):
        """C = alpha op(A) op(B) + beta C with the matrices' columns one after the other, as BLAS has it."""
        i4, u1 = self.names["i4p"], self.names["u1p"]
        letters = [chr(u1(a)[0]) for a in arguments[:2]]
        m, n, k = (int(i4(a)[0]) for a in arguments[2:5])
        lda, ldb, ldc = (int(i4(arguments[i])[0]) for i in (7, 9, 12))
        double = address == runner.gemm_address(np.dtype(np.float64))
        real = self.names["f8p" if double else "f4p"]
        alpha, beta = real(arguments[5])[0], real(arguments[10])[0]
        a, b, c = (real(arguments[i]) for i in (6, 8, 11))
        assert lda >= max(1, m if letters[0] == "N" else k)
        assert ldb >= max(1, k if letters[1] == "N" else n)
        assert ldc >= max(1, m)
        for j in range(n):
            for i in range(m):
                total = alpha * 0
                for h in range(k):
                    x = a[i + h * lda] if letters[0] == "N" else a[h + i * lda]
                    y = b[h + j * ldb] if letters[1] == "N" else b[j + h * ldb]
                    total += x * y
                old = beta * c[i + j * ldc] if beta else 0
                c[i + j * ldc] = alpha * total + old


def checked_machine(monkeypatch):
    """From here on, compiled programs run in a checked machine; gives it."""
    machine = Machine()
    monkeypatch.setattr(runner, "addresses", machine.addresses)
    monkeypatch.setattr(runner, "_call", machine.call)
    monkeypatch.setattr(memory, "aligned", machine.buffers.aligned)
    return machine
