"""BLAS by address, from the library that SciPy's wheels carry."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib import util
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


@cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """The address of sgemm or dgemm."""
    capsule = blas_module().__pyx_capi__["sgemm" if dtype == np.float32 else "dgemm"]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


@cache
def blas_module() -> ModuleType:
    """SciPy's module of BLAS functions, loaded alone: its whole package takes half a second."""
    name = "scipy.linalg.cython_blas"
    if name not in sys.modules:
        package = util.find_spec("scipy")
        if package is not None and package.origin is not None:
            folder = Path(package.origin).parent / "linalg"
            spec = FileFinder(str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec(name)
            if spec is not None and spec.loader is not None:
                module = util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    from scipy.linalg import cython_blas

    return cython_blas  # type: ignore[no-any-return]
