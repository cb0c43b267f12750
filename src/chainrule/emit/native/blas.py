"""BLAS by address, from the library that SciPy's wheels carry."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np


@cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """The address of sgemm or dgemm."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__["sgemm" if dtype == np.float32 else "dgemm"]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))
