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

from chainrule.emit.native import blas, kernels, memory, runner, runtime

C_TYPES = {np.dtype(t): np.ctypeslib.as_ctypes_type(t) for t in "bBhHiIqQfd"}


class OutsideBufferError(Exception):
    """A kernel reads or writes outside the buffer that it was given."""


class Buffers:
    """All buffers that were allocated, in the order of their addresses."""

    def __init__(self):
        self.starts, self.arrays = [], []

    def aligned(self, elements, dtype):
        """A buffer of which so many elements may be used."""
        array = np.full(max(elements, 1), np.nan if np.dtype(dtype).kind == "f" else 1, dtype)
        at = bisect.bisect(self.starts, array.ctypes.data)
        self.starts.insert(at, array.ctypes.data)
        self.arrays.insert(at, array[:elements])
        return array

    def at(self, address, dtype):
        """The elements from an address to the end of its buffer; None if it is in none."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i < 0 or address > self.starts[i] + self.arrays[i].nbytes:
            return None
        rest = self.arrays[i].view(np.uint8)[address - self.starts[i] :]
        return rest[: len(rest) // dtype.itemsize * dtype.itemsize].view(dtype)


class CheckedPointer:
    """A typed address in a buffer."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, i):
        if not 0 <= i < len(self.array):
            raise OutsideBufferError(f"read at {i} of {len(self.array)} elements")
        return self.array[i]

    def __setitem__(self, i, value):
        if not 0 <= i < len(self.array):
            raise OutsideBufferError(f"write at {i} of {len(self.array)} elements")
        self.array[i] = value


class PlainPointer:
    """A typed address outside all buffers: of a block, or of a table of calls."""

    def __init__(self, address, dtype):
        self.address, self.dtype = address, dtype

    def _element(self, i):
        return C_TYPES[self.dtype].from_address(self.address + int(i) * self.dtype.itemsize)

    def __getitem__(self, i):
        return self.dtype.type(self._element(i).value)

    def __setitem__(self, i, value):
        self._element(i).value = value.item() if hasattr(value, "item") else value


class _Math:
    """The functions of math as compiled code has them: no exceptions, the type stays."""

    exp, log, log1p, expm1, sqrt = np.exp, np.log, np.log1p, np.expm1, np.sqrt
    sin, cos, tanh = np.sin, np.cos, np.tanh
    inf, nan = math.inf, math.nan

    @staticmethod
    def pow(x, y):
        return np.float64(x) ** np.float64(y) if x.dtype.kind in "iu" else x**y


class Machine:
    """Stands for the compiler: kernels' addresses are those of Python functions that check each access."""

    def __init__(self, compile_kernel):
        self.compile_kernel = compile_kernel
        self.buffers = Buffers()
        self.alive = []
        self.faults = []
        self.names = self._names()

    def check(self):
        """Raise what went wrong in a kernel: an exception cannot pass through machine code."""
        if self.faults:
            raise self.faults[0]

    def address(self, source, folder):
        """The address of a kernel; those that only copy and call stay machine code."""
        if source in runtime.FIXED and not source.startswith("gemm_"):
            return self.compile_kernel(source, folder)
        names = dict(self.names)
        if source not in runtime.FIXED:
            exec(source, names)
        kernel = names[source if source in runtime.FIXED else "kernel"]

        def run(block):
            if not self.faults:
                try:
                    with np.errstate(all="ignore"):
                        kernel(block)
                except Exception as fault:
                    self.faults.append(fault)

        self.alive.append(ctypes.CFUNCTYPE(None, ctypes.c_int64)(run))
        return ctypes.cast(self.alive[-1], ctypes.c_void_p).value

    def _names(self):
        """What kernels see."""
        names = {"math": _Math, "inf": math.inf, "nan": math.nan, "abs": abs, "np": np, "bool": np.bool_}
        for kind in ("f4", "f8", "b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8))):
            dtype = np.dtype("u1" if kind == "b1" else kind)
            names[kind] = np.bool_ if kind == "b1" else dtype.type
            names[f"{kind}p"] = self._pointer_maker(dtype)
        names |= {
            "bits_of": lambda x: x.view(np.int32),
            "from_bits": lambda bits: bits.view(np.float32),
            "largest": np.maximum,
            "smallest": np.minimum,
            "high_product": lambda x, y: np.uint64(int(x) * int(y) >> 64),
            "call_gemm": self._gemm,
        }
        for name, value in vars(runtime).items():
            plain = getattr(value, "py_func", value)
            if isinstance(value, np.generic):
                names.setdefault(name, value)
            if isinstance(plain, types.FunctionType) and not plain.__closure__ and name not in names:
                names[name] = types.FunctionType(plain.__code__, names, name, plain.__defaults__)
        return names

    def _pointer_maker(self, dtype):
        def pointer(address):
            array = self.buffers.at(int(address), dtype)
            return PlainPointer(int(address), dtype) if array is None else CheckedPointer(array)

        return pointer

    def _gemm(self, address, table, a, b, c):
        """C = alpha op(A) op(B) + beta C with columns one after the other, as BLAS has it."""
        passed = self.names["i8p"](table)
        arguments = [passed[i] for i in range(13)]
        arguments[6], arguments[8], arguments[11] = b, a, c
        i4, u1 = self.names["i4p"], self.names["u1p"]
        double = address == blas.gemm_address(np.dtype(np.float64))
        real = self.names["f8p" if double else "f4p"]
        turned = [chr(u1(a)[0]) == "T" for a in arguments[:2]]
        m, n, k = (int(i4(a)[0]) for a in arguments[2:5])
        lda, ldb, ldc = (int(i4(arguments[i])[0]) for i in (7, 9, 12))
        alpha, beta = real(arguments[5])[0], real(arguments[10])[0]
        a, b, c = (real(arguments[i]) for i in (6, 8, 11))
        if not all(isinstance(p, CheckedPointer) for p in (a, b, c)):
            raise OutsideBufferError("gemm: an address in no buffer")
        if lda < max(1, k if turned[0] else m) or ldb < max(1, n if turned[1] else k) or ldc < max(1, m):
            raise OutsideBufferError("gemm: a leading dimension is too small")
        for j in range(n):
            for i in range(m):
                total = alpha * 0
                for h in range(k):
                    total += (
                        a[h + i * lda if turned[0] else i + h * lda]
                        * (b[j + h * ldb if turned[1] else h + j * ldb])
                    )
                c[i + j * ldc] = alpha * total + (beta * c[i + j * ldc] if beta else 0)


def checked_machine(monkeypatch):
    """From here on, compiled programs run in a checked machine; gives it. Ask it to `check` after a call."""
    machine = Machine(kernels._load_or_compile)
    monkeypatch.setattr(kernels, "_addresses", {})
    monkeypatch.setattr(kernels, "_load_or_compile", machine.address)
    for module in (memory, runner):
        monkeypatch.setattr(module, "aligned", machine.buffers.aligned)
    return machine
