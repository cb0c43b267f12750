"""What kernels are made of: typed addresses, calls by address, elementary functions, and fixed kernels.

Everything here is compiled by Numba. A kernel takes the address of its block, a row of int64 that
holds sizes and addresses, and returns nothing; it allocates nothing and raises nothing.
"""

# mypy: ignore-errors
# These functions are typed by the compiler, at each call.

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

inf = math.inf
nan = math.nan
f4, f8, i8, i4, u8 = np.float32, np.float64, np.int64, np.int32, np.uint64

FASTMATH = {"nsz", "arcp", "contract", "reassoc"}  # but NaN and infinity keep their meaning
OPTIONS: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy"}


def _pointer(kind: Any) -> Any:
    """A function that takes an address for an array of that type."""

    @intrinsic
    def at(context, address):
        def build(ctx, builder, signature, args):
            return builder.inttoptr(args[0], ctx.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), build

    return at


f4p, f8p = _pointer(types.float32), _pointer(types.float64)
i8p, i4p, i2p, i1p = (_pointer(t) for t in (types.int64, types.int32, types.int16, types.int8))
u8p, u4p, u2p, u1p = (_pointer(t) for t in (types.uint64, types.uint32, types.uint16, types.uint8))
b1p = u1p  # a truth value is stored as a byte


@intrinsic
def call(context, function, block):
    """Call a kernel by its address."""

    def build(ctx, builder, signature, args):
        kernel = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(args[0], kernel.as_pointer()), [args[1]])
        return ctx.get_dummy_value()

    return types.void(types.int64, types.int64), build


@intrinsic
def call_gemm(context, function, arguments, a, b, c):
    """Call BLAS's gemm by its address, with the thirteen addresses of a table, the matrices' given anew."""

    def build(ctx, builder, signature, args):
        word = ir.IntType(64)
        gemm = ir.FunctionType(ir.VoidType(), [word] * 13).as_pointer()
        table = builder.inttoptr(args[1], word.as_pointer())
        passed = [builder.load(builder.gep(table, [ir.Constant(word, i)])) for i in range(13)]
        passed[6], passed[8], passed[11] = args[3], args[2], args[4]  # its columns are our rows: B before A
        builder.call(builder.inttoptr(args[0], gemm), passed)
        return ctx.get_dummy_value()

    return types.void(*[types.int64] * 5), build


def _control_word(builder: Any, name: str, word: Any) -> None:
    """Store the floating-point control word of x86, or load it."""
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(word, pointer)])


def _is_x86(builder: Any) -> bool:
    return "x86" in builder.module.triple or "i386" in builder.module.triple


@intrinsic
def flush_denormals(context):
    """Let denormal results and operands count as zero on x86; how it was before."""

    def build(ctx, builder, signature, args):
        word = cgutils.alloca_once(builder, ir.IntType(32), 2)
        before, flushing = word, builder.gep(word, [ir.Constant(ir.IntType(32), 1)])
        if _is_x86(builder):
            _control_word(builder, "stmxcsr", before)
            both = builder.or_(builder.load(before), ir.Constant(ir.IntType(32), FLUSH_TO_ZERO))
            builder.store(both, flushing)
            _control_word(builder, "ldmxcsr", flushing)
        return builder.load(before)

    return types.int32(), build


@intrinsic
def restore_denormals(context, before):
    """Undo `flush_denormals`."""

    def build(ctx, builder, signature, args):
        word = cgutils.alloca_once_value(builder, args[0])
        if _is_x86(builder):
            _control_word(builder, "ldmxcsr", word)
        return ctx.get_dummy_value()

    return types.void(types.int32), build


FLUSH_TO_ZERO = 0x8040
SPINS = 4000


@intrinsic
def high_product(context, x, y):
    """The upper 64 bits of a product of 64-bit numbers."""

    def build(ctx, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), build


@intrinsic
def bits_of(context, x):
    """A float32's bits, as a whole number."""

    def build(ctx, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), build


@intrinsic
def from_bits(context, bits):
    """The float32 with these bits."""

    def build(ctx, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), build


def _extreme(name: str) -> Any:
    """The larger or smaller of two numbers, NaN if either is; LLVM makes vector code of its reduction."""

    @intrinsic
    def function(context, x, y):
        def build(ctx, builder, signature, args):
            kind = ctx.get_value_type(signature.return_type)
            intrinsic_name = f"llvm.{name}.{'f32' if signature.return_type == types.float32 else 'f64'}"
            known = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind]), intrinsic_name
            )
            return builder.call(known, args)

        return x(x, x), build

    return function


largest, smallest = _extreme("maximum"), _extreme("minimum")


@intrinsic
def atomic_add(context, address, value):
    """Add to a shared counter; the count before."""

    def build(ctx, builder, signature, args):
        pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), build


@intrinsic
def copy_memory(context, target, source, size):
    """Copy so many bytes; the places may overlap."""

    def build(ctx, builder, signature, args):
        pointer = ir.IntType(8).as_pointer()
        pointers = [builder.inttoptr(a, pointer) for a in args[:2]]
        kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, ir.IntType(64), ir.IntType(1)])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.memmove.p0i8.p0i8.i64")
        builder.call(function, [*pointers, args[2], ir.Constant(ir.IntType(1), 0)])
        return ctx.get_dummy_value()

    return types.void(*[types.int64] * 3), build


@intrinsic
def call_plain(context, function):
    """Call a function without arguments by its address."""

    def build(ctx, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])

    return types.int32(types.int64), build


inlined = njit(forceinline=True, no_cpython_wrapper=True, **OPTIONS)


# elementary functions of float32 that the compiler turns into vector code -----------------------


ZERO, HALF, ONE, TWO, QUARTER, TEN = (f4(v) for v in (0, 0.5, 1, 2, 0.25, 10))
LOG2_E, LN2_HIGH, LN2_LOW = f4(1.44269504), f4(0.693359375), f4(-2.12194440e-4)
LARGEST, SMALLEST = f4(88.8), f4(-87.4)  # beyond them e**x is infinite, or too small for a normal number
E2, E3, E4, E5, E6 = (f4(1 / v) for v in (2, 6, 24, 120, 720))  # of exp's series
T3, T5, T7, T9 = (f4(v) for v in (-1 / 3, 2 / 15, -17 / 315, 62 / 2835))  # of tanh's
A3, A5, A7, A9 = (f4(1 / v) for v in (3, 5, 7, 9))  # of artanh's
NOTHING, FIRST, DIGITS, LEAST = (i4(v) for v in (0, 1, 23, 149))  # float32's digits; its least is 2**-149
BELOW_ONE = i4(126)  # the exponent of 1/2 as its bits have it
MINUS_INFINITY, NOT_A_NUMBER = f4(-inf), f4(nan)
NORMAL, INFINITE, ROOT_HALF = (i4(v) for v in (0x00800000, 0x7F800000, 0x3F3504F3))  # bits of numbers


@inlined
def exp_f4(x):
    """e**x to 5e-7, as 2**k times a polynomial (Cody and Waite's reduction); 0 below 2**-125."""
    t = x if x < LARGEST else LARGEST
    t = t if t > SMALLEST else SMALLEST
    k = i4(t * LOG2_E + (HALF if t > ZERO else -HALF))
    w = f4(k)
    r = (t - w * LN2_HIGH) - w * LN2_LOW
    p = ONE + r * (ONE + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * E6)))))
    return x if x != x else p * from_bits(i4(i4(k + BELOW_ONE) << DIGITS)) * TWO


@inlined
def log_f4(x):
    """The natural logarithm to 3e-7: that of 2**k, and artanh's series for a factor near 1."""
    b = bits_of(x)
    tiny = b < NORMAL  # the bits of a number below the normal ones are its count of 2**-149
    c = bits_of(f4(b)) if tiny else b
    k = i4(i4(c - ROOT_HALF) >> DIGITS)
    m = from_bits(i4(c - i4(k << DIGITS)))
    s = (m - ONE) / (m + ONE)
    q = s * s
    w = f4(i4(k - LEAST) if tiny else k)
    y = w * LN2_HIGH + (w * LN2_LOW + TWO * s * (ONE + q * (A3 + q * (A5 + q * (A7 + q * A9)))))
    y = y if b < INFINITE else x
    return y if b > NOTHING else (MINUS_INFINITY if i4(b << FIRST) == NOTHING else NOT_A_NUMBER)


@inlined
def tanh_f4(x):
    """tanh(x) to 3e-7: its series near 0, 1 - 2 / (exp(2 |x|) + 1) elsewhere."""
    a = abs(x)
    y = ONE - TWO / (exp_f4(TWO * (a if a < TEN else TEN)) + ONE)
    q = a * a
    y = a * (ONE + q * (T3 + q * (T5 + q * (T7 + q * T9)))) if a < QUARTER else y
    y = -y if x < ZERO else y
    return x if x != x else y


@inlined
def sqrt_f4(x):
    """The square root; hidden, for LLVM's estimate of 1 / sqrt(x) is NaN at 0 and infinity."""
    y = math.sqrt(x)
    return y if x > ZERO else (x if x == ZERO else y)


@inlined
def logistic_f4(x):
    """1 / (1 + exp(-x)), with exp of a negative number only."""
    e = exp_f4(-x if x >= ZERO else x)
    return (ONE if x >= ZERO else e) / (ONE + e)


@inlined
def softplus_f4(x):
    """log(1 + exp(x)), with exp of a negative number only."""
    e = exp_f4(-x if x >= ZERO else x)
    return (x if x >= ZERO else ZERO) + math.log1p(e)


@inlined
def logistic_f8(x):
    """1 / (1 + exp(-x)), with exp of a negative number only."""
    e = math.exp(-x if x >= 0.0 else x)
    return (1.0 if x >= 0.0 else e) / (1.0 + e)


@inlined
def softplus_f8(x):
    """log(1 + exp(x)), with exp of a negative number only."""
    e = math.exp(-x if x >= 0.0 else x)
    return (x if x >= 0.0 else 0.0) + math.log1p(e)


# random numbers and indices ---------------------------------------------------------------------


@inlined
def philox(seed, step, purpose, linear):
    """The 64 random bits at a place: Philox4x64-10 (Salmon et al., 2011)."""
    c0, c1, c2, c3 = u8(linear >> 2) + u8(1), u8(step), u8(0), u8(0)
    k0, k1 = u8(seed), u8(purpose)
    for _ in range(10):
        h0 = high_product(u8(0xD2E7470EE14C6C93), c0)
        l0 = u8(0xD2E7470EE14C6C93) * c0
        h1 = high_product(u8(0xCA5A826395121157), c2)
        l1 = u8(0xCA5A826395121157) * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 += u8(0x9E3779B97F4A7C15)
        k1 += u8(0xBB67AE8584CAA73B)
    lane = linear & 3
    return c0 if lane == 0 else (c1 if lane == 1 else (c2 if lane == 2 else c3))


@inlined
def uniform_f8(seed, step, purpose, linear):
    """A number in [0, 1) with 53 random bits."""
    return f8(i8(philox(seed, step, purpose, linear) >> u8(11))) * 2.0**-53


@inlined
def uniform_f4(seed, step, purpose, linear):
    """A number in [0, 1) with 24 random bits."""
    return f4(i8(philox(seed, step, purpose, linear) >> u8(40))) * f4(2.0**-24)


@inlined
def inside(i, n, flag):
    """An index counted from the start; outside the axis the flag is set and 0 given."""
    j = i if i >= 0 else i + n
    if j < 0 or j >= n:
        flag[0] = 1
        return 0
    return j


# fixed kernels ----------------------------------------------------------------------------------


def gemm_f4(block):
    """C = alpha A B + beta C for a number of matrices in a row; its block is `blocks.GEMM`."""
    a = i8p(block)
    numbers = f4p(a[0])
    numbers[0] = numbers[2] * f4p(a[1])[0]
    for i in range(a[3]):
        call_gemm(a[2], a[10], a[4] + i * a[5], a[6] + i * a[7], a[8] + i * a[9])


def gemm_f8(block):
    """The same for float64."""
    a = i8p(block)
    numbers = f8p(a[0])
    numbers[0] = numbers[2] * f8p(a[1])[0]
    for i in range(a[3]):
        call_gemm(a[2], a[10], a[4] + i * a[5], a[6] + i * a[7], a[8] + i * a[9])


def gather(block):
    """Copy the rows of a batch; its block is `blocks.GATHER`."""
    a = i8p(block)
    width, rows = a[1], i8p(a[4])
    for r in range(a[0]):
        copy_memory(a[3] + r * width, a[2] + rows[r] * width, width)


def copy(block):
    """Copy bytes, then move on in source and target; its block is `blocks.COPY`."""
    a = i8p(block)
    copy_memory(a[2], a[0], a[4])
    a[0] += a[1]
    a[2] += a[3]


def repeat(block):
    """Call some kernels once, then others a number of times; its block is `blocks.REPEAT`.

    Everything that runs more than once is this: a scan's body over its items, a step over the batches.
    """
    a = i8p(block)
    first, each = i8p(a[1]), i8p(a[3])
    before = flush_denormals()
    for k in range(a[0]):
        call(first[2 * k], first[2 * k + 1])
    for _ in range(a[4]):
        for k in range(a[2]):
            call(each[2 * k], each[2 * k + 1])
    restore_denormals(before)


def meet(block):
    """Wait until all threads have come so far: spin a while, then let other work have the processor.

    Its block is `blocks.MEET`.
    """
    a = i8p(block)
    a[1] += a[2]
    atomic_add(a[0], 1)
    turns = 0
    while atomic_add(a[0], 0) < a[1]:
        turns += 1
        if turns > SPINS and a[3] != 0:
            call_plain(a[3])


FIXED = {f.__name__: f for f in (gemm_f4, gemm_f8, gather, copy, repeat, meet)}
