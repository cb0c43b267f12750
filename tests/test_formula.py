"""Formulas: every op in both notations, the parentheses they need, names, numbers, and whole programs."""

import ast
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

import chainrule as cr
from chainrule.autodiff.check import rule_cases
from chainrule.emit.formula import formula, formulas
from chainrule.emit.numpy_source import compile_source, signature
from chainrule.errors import DTypeError, ParameterError, UnknownNameError
from chainrule.graph.op import HELPERS, OPS, Kind
from chainrule.graph.tensor import apply, apply_record, constant, size
from chainrule.optim.rules import SGD, Adam
from chainrule.shapes import Size

NESTED = {name for name, record in OPS.items() if record.kind in (Kind.CONTROL, Kind.ITEM)}
PLAIN = sorted(set(OPS) - NESTED - {name for name, record in OPS.items() if record.kind is Kind.SOURCE})
STATED = {
    "one_hot": [({"classes": 4}, [np.array([2, 0])])],
    "random_uniform": [
        ({"shape": (3,), "purpose": 0, "dtype": "float64"}, [np.array(7), np.array(1)]),
    ],
}
WITH_CASES = {"where"}  # matplotlib's mathtext has no environments

COMPOUND = {
    "sum": lambda x, one, two: (x - one) + one,
    "difference": lambda x, one, two: (x + one) - one,
    "product": lambda x, one, two: (x / two) * two,
    "quotient": lambda x, one, two: (x * two) / two,
    "power": lambda x, one, two: x**one,
    "opposite": lambda x, one, two: -(one * -x),
    "call": lambda x, one, two: cr.maximum(x, x * one),
}


def cases(name):
    return STATED.get(name) or rule_cases(OPS[name])


def through_apply(name):
    return lambda *xs, **attrs: apply(name, *xs, **attrs).numpy()


FUNCTIONS = {**{name: through_apply(name) for name in OPS}, **vars(np), **HELPERS, "slice": slice}


def evaluated(text, values):
    with np.errstate(all="ignore"):
        return eval(text, dict(FUNCTIONS), values)


def typeset(latex):
    """Raises ValueError where mathtext finds a fault."""
    return MathTextParser("path").parse(f"${latex}$")


# every op -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
def test_text_of_every_op_computes_its_value(name):
    for attrs, arrays in cases(name):
        leaves = [cr.tensor(a, name=f"v{i}") for i, a in enumerate(arrays)]
        node = apply_record(OPS[name], leaves, attrs)
        text = formula(node)
        assert "np." not in text
        np.testing.assert_array_equal(
            evaluated(text, {x.name: x.numpy() for x in leaves}), node.numpy(), err_msg=text
        )


@pytest.mark.parametrize("compound", COMPOUND)
@pytest.mark.parametrize("name", PLAIN)
def test_text_of_every_op_has_the_parentheses_that_expressions_in_it_need(name, compound):
    one, two = cr.tensor(1.0, name="one"), cr.tensor(2.0, name="two")
    for attrs, arrays in cases(name):
        leaves = [cr.tensor(a, name=f"v{i}") for i, a in enumerate(arrays)]
        operands = [COMPOUND[compound](x, one, two) if x.dtype.kind == "f" else x for x in leaves]
        node = apply_record(OPS[name], operands, attrs)
        text = formula(node)
        values = {x.name: x.numpy() for x in [*leaves, one, two]}
        np.testing.assert_array_equal(evaluated(text, values), node.numpy(), err_msg=text)
        if compound != "opposite":  # -(-x) is clearer than --x
            assert ast.unparse(ast.parse(text, mode="eval")) == text


@pytest.mark.parametrize("compound", ["none", *COMPOUND])
@pytest.mark.parametrize("name", PLAIN)
def test_latex_of_every_op_is_well_formed(name, compound):
    one, two = cr.tensor(1.0, name="one"), cr.tensor(2.0, name="two")
    for attrs, arrays in cases(name):
        operands = [cr.tensor(a, name=f"v{i}") for i, a in enumerate(arrays)]
        if compound in COMPOUND:
            operands = [COMPOUND[compound](x, one, two) if x.dtype.kind == "f" else x for x in operands]
        latex = formula(apply_record(OPS[name], operands, attrs), "latex")
        depth = 0
        for letter in latex:
            depth += (letter == "{") - (letter == "}")
            assert depth >= 0, latex
        assert depth == 0, latex
        if name not in WITH_CASES:
            typeset(latex)


def test_every_record_states_its_latex():
    assert [name for name in PLAIN if not OPS[name].latex] == []


def test_an_op_without_latex_is_written_as_a_function():
    record = OPS["exp"]
    bare = type(record)(**{**vars(record), "name": "my_op", "latex": ""})
    x = cr.tensor([1.0], name="x")
    assert formula(apply_record(bare, [x], {}), "latex") == r"\operatorname{my\_op}(x)"


# parentheses ----------------------------------------------------------------------------------

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
LETTERS = {"a": Fraction(2, 3), "b": Fraction(-5, 7), "c": Fraction(3)}

expressions = st.recursive(
    st.sampled_from(sorted(LETTERS)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(sorted(OPERATORS)), inner, inner),
        st.tuples(st.just("negative"), inner),
        st.tuples(st.just("power"), inner, st.sampled_from([2, 3])),
    ),
    max_leaves=8,
)


def as_tensor(tree):
    match tree:
        case str():
            return cr.tensor(0.0, name=tree)
        case ("negative", x):
            return -as_tensor(x)
        case ("power", x, n):
            return as_tensor(x) ** n
        case (sign, x, y):
            return OPERATORS[sign](as_tensor(x), as_tensor(y))


def as_fraction(tree):
    match tree:
        case str():
            return LETTERS[tree]
        case ("negative", x):
            return -as_fraction(x)
        case ("power", x, n):
            return as_fraction(x) ** n
        case (sign, x, y):
            return OPERATORS[sign](as_fraction(x), as_fraction(y))


def latex_value(latex):
    """The value of LaTeX made of sums, products, fractions and powers, as a reader takes it."""
    python = latex.replace(r"\left", "").replace(r"\right", "").replace(r"\cdot", "*").replace("^", "**")
    python = python.replace(r"\frac", "fraction").replace("{", "((").replace("}", "))")
    return eval(python, {**LETTERS, "fraction": lambda x: lambda y: x / y})


@given(expressions)
def test_both_notations_mean_what_is_computed(tree):
    try:
        value = as_fraction(tree)
    except ZeroDivisionError:
        assume(False)
    node = as_tensor(tree)
    assert eval(formula(node), dict(LETTERS)) == value
    assert latex_value(formula(node, "latex")) == value


def named(shape, *names):
    return [cr.tensor(np.ones(shape), name=name) for name in names]


a, b, c = named((), "a", "b", "c")
A, B, C = named((2, 2), "A", "B", "C")


@pytest.mark.parametrize(
    ("node", "text", "latex"),
    [
        (lambda: a - (b - c), "a - (b - c)", "a - (b - c)"),
        (lambda: (a - b) - c, "a - b - c", "a - b - c"),
        (lambda: a + (b + c), "a + (b + c)", "a + b + c"),
        (lambda: a * (b * c), "a * (b * c)", r"a \cdot b \cdot c"),
        (lambda: (a + b) * c, "(a + b) * c", r"(a + b) \cdot c"),
        (lambda: a / (b + c), "a / (b + c)", r"\frac{a}{b + c}"),
        (lambda: a / b / c, "a / b / c", r"\frac{\frac{a}{b}}{c}"),
        (lambda: (a / b) ** c, "(a / b) ** c", r"\left(\frac{a}{b}\right)^{c}"),
        (lambda: a ** (b + c), "a ** (b + c)", "a^{b + c}"),
        (lambda: (a**b) ** c, "(a ** b) ** c", "(a^{b})^{c}"),
        (lambda: (-a) ** 2.0, "(-a) ** 2", "(-a)^{2}"),
        (lambda: -(a**2.0), "-a ** 2", "-a^{2}"),
        (lambda: -(a + b), "-(a + b)", "-(a + b)"),
        (lambda: a * -b, "a * -b", r"a \cdot (-b)"),
        (lambda: a - -b, "a - -b", "a - (-b)"),
        (lambda: cr.negative(-a), "-(-a)", "-(-a)"),
        (lambda: A * B, "A * B", r"A \odot B"),
        (lambda: a * B, "a * B", r"a \cdot B"),
        (lambda: A @ B @ C, "A @ B @ C", r"A\,B\,C"),
        (lambda: A @ (B * C), "A @ (B * C)", r"A\,(B \odot C)"),
        (lambda: (A @ B) * C, "A @ B * C", r"A\,B \odot C"),
        (lambda: A @ (B + C).T, "A @ (B + C).T", r"A\,(B + C)^T"),
        (lambda: (A @ B).T, "(A @ B).T", r"(A\,B)^T"),
        (lambda: (A + B).sum(axis=0), "(A + B).sum(axis=0)", r"\sum_{i} (A + B)"),
        (lambda: (A * B).sum(), "(A * B).sum()", r"\sum A \odot B"),
        (lambda: A.sum() * a, "A.sum() * a", r"\left(\sum A\right) \cdot a"),
        (lambda: (A - B).mean(axis=1), "(A - B).mean(axis=1)", r"\operatorname{mean}_{j}(A - B)"),
        (lambda: cr.exp(a + b), "exp(a + b)", "e^{a + b}"),
        (lambda: cr.exp(a) ** 2.0, "exp(a) ** 2", "(e^{a})^{2}"),
        (lambda: cr.sqrt(a) ** 2.0, "sqrt(a) ** 2", r"\sqrt{a}^{2}"),
        (lambda: (a > b) == (b > c), "(a > b) == (b > c)", "[[a > b] = [b > c]]"),
        (lambda: cr.where(a > 0, a, -a), "where(a > 0, a, -a)",
         r"\begin{cases} a & \text{if } [a > 0] \\ -a & \text{otherwise} \end{cases}"),
        (lambda: cr.concatenate([A + B, C]), "concatenate([A + B, C], axis=0)", "[A + B; C]"),
        (lambda: (A + B)[0, None], "(A + B)[0, None]", "(A + B)[0, None, :]"),
        (lambda: cr.log1p(-a), "log1p(-a)", r"\ln(1 + (-a))"),
        (lambda: cr.log_softmax(A + B), "log_softmax(A + B, axis=(1,))",
         r"\ln(\operatorname{softmax}_{j}(A + B))"),
        (lambda: cr.leaky_relu(a + b, 0.2), "leaky_relu(a + b, slope=0.2)",
         r"\operatorname{LeakyReLU}_{0.2}(a + b)"),
        (lambda: cr.stop_gradient(a + b) * c, "(a + b) * c", r"(a + b) \cdot c"),
        (lambda: A.transpose(1, 0).reshape(4) + 1.0, "A.T.reshape((4,)) + 1", "A^T + 1"),
    ],
)  # fmt: skip
def test_parentheses(node, text, latex):
    assert formula(node()) == text
    assert formula(node(), "latex") == latex


# names and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"),
        ("W1", "W_1"),
        ("W12", "W_{12}"),
        ("b_gate", r"b_{\mathrm{gate}}"),
        ("W1_gate", r"W_{1,\mathrm{gate}}"),
        ("d_W1", "dW_1"),
        ("d_log_p", r"d\log p"),
        ("log_p", r"\log p"),
        ("m_W1", "m_{W_1}"),
        ("v_W_gate", r"v_{W_{\mathrm{gate}}}"),
        ("loss", r"\mathrm{loss}"),
        ("lr", r"\mathrm{lr}"),
        ("theta", r"\theta"),
        ("theta2", r"\theta_2"),
        ("d_theta", r"d\theta"),
        ("Omega", r"\Omega"),
        ("m_hat", r"\hat{m}"),
        ("m_hat_W1", r"\hat{m}_{W_1}"),
        ("x_1", "x_1"),
        ("_x", r"\mathrm{\_x}"),
        ("a__b", r"\mathrm{a\_\_b}"),
        ("a_b_c_d_e_f_g", r"\mathrm{a\_b\_c\_d\_e\_f\_g}"),
        ("d", "d"),
        ("log", r"\mathrm{log}"),
    ],
)
def test_names_in_latex(name, latex):
    x = cr.tensor([1.0, 2.0], name=name)
    assert formula(x, "latex") == latex
    typeset(latex)
    assert formula(x) == name


def test_an_index_gets_no_second_one():
    x = cr.tensor([1.0, 2.0], name="x1")
    assert formula(x**2.0, "latex") == "x_1^{2}"
    assert formula(cr.tensor(np.ones((2, 2)), name="d_W1") ** 2.0, "latex") == "(dW_1)^{2}"


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        (2.0, "2", "2"),
        (np.float32(0.1), "0.1", "0.1"),
        (np.pi, "3.14159265", "3.14159265"),
        (1e-8, "1e-08", "10^{-8}"),
        (2.5e12, "2.5e+12", r"2.5 \cdot 10^{12}"),
        (-1.5, "-1.5", "-1.5"),
        (np.inf, "inf", r"\infty"),
        (-np.inf, "-inf", r"-\infty"),
        (np.nan, "nan", r"\mathrm{nan}"),
        (np.int64(7), "7", "7"),
        (np.True_, "True", r"\mathrm{true}"),
    ],
)
def test_numbers(value, text, latex):
    assert formula(constant(value)) == text
    assert formula(constant(value), "latex") == latex
    typeset(latex)


def test_numbers_keep_their_parentheses():
    x = cr.tensor(3.0, name="x")
    assert formula(constant(-2.0) ** x) == "(-2) ** x"
    assert formula(constant(-2.0) ** x, "latex") == "(-2)^{x}"
    assert formula(constant(3e20) ** x, "latex") == r"(3 \cdot 10^{20})^{x}"


def test_sizes():
    n, t = Size.named("n"), Size.named("t")
    x = cr.placeholder((), "float64", "x")
    assert formula(x * size(n * t + 1, "float64")) == "x * (n*t + 1)"
    assert formula(x * size(n * t + 1, "float64"), "latex") == r"x \cdot (n\,t + 1)"
    assert formula(x / size(n, "float64")) == "x / n"


# one tensor -----------------------------------------------------------------------------------


def layer():
    x = cr.tensor([[0.5, -1.0]], name="x")
    W, bias = cr.tensor([[2.0], [1.0]], name="W1"), cr.tensor([0.25], name="b1")
    z = x @ W + bias
    z.name = "z1"
    y = cr.tanh(z).sum()
    y.name = "y"
    return z, y


def test_a_formula_starts_with_its_name_and_stops_at_names_below():
    z, y = layer()
    assert formula(z) == "z1 = x @ W1 + b1"
    assert formula(z, "latex") == r"z_1 = x\,W_1 + b_1"
    assert formula(y) == "y = tanh(z1).sum()"
    assert formula(y * 2.0) == "y * 2"


def test_values_take_the_place_of_tensors_with_one_element():
    z, y = layer()
    assert formula(z, values=True) == "z1 = x @ W1 + 0.25 = 0.25"
    assert formula(y, values=True) == "y = tanh(0.25).sum() = 0.244918662"
    assert formula(y, "latex", values=True) == r"y = \sum \tanh(0.25) = 0.244918662"
    assert formula(cr.tensor(2.0, name="a"), values=True) == "a = 2"
    assert formula(cr.tensor(2.0, name="a") - -3.0, values=True) == "2 - -3 = 5"


def test_values_that_are_not_known_keep_their_names():
    x = cr.placeholder((), "float64", name="x")
    z = x + 1.0
    z.name = "z"
    assert formula(z * cr.tensor(2.0, name="w"), values=True) == "z * 2"
    n = size(Size.named("n"), "float64")
    assert formula(n * 2.0, values=True) == "n * 2"


def test_leaves_without_names_get_letters():
    x1 = cr.tensor([1.0, 2.0], name="x1")
    y = cr.tensor([3.0, 4.0])
    z = cr.tensor([5.0, 6.0])
    assert formula(y * x1 + z - y) == "x2 * x1 + x3 - x2"
    assert formula(cr.tensor(4.0) * x1) == "4 * x1"
    assert formula(y) == "x1"


def test_gradients_have_formulas():
    x = cr.tensor(3.0, name="x")
    y = cr.tanh(x)
    y.name = "y"
    (slope,) = cr.gradient(y, [x])
    assert formula(slope, values=True).startswith("d_x = ")
    assert formula(slope, values=True).endswith("= 0.00986603717")


def test_depth_limits_what_is_shown():
    a, b = cr.tensor(2.0, name="a"), cr.tensor(3.0, name="b")
    y = cr.exp(a * b + 1.0) / b
    assert formula(y, depth=1) == "... / b"
    assert formula(y, depth=2) == "exp(...) / b"
    assert formula(y, depth=3) == "exp(... + 1) / b"
    assert formula(y, depth=4) == formula(y) == "exp(a * b + 1) / b"
    assert formula(y, "latex", depth=2) == r"\frac{e^{\ldots}}{b}"
    typeset(formula(y, "latex", depth=2))


def test_a_chain_of_100_000_ops_is_refused_or_cut():
    x = cr.tensor(0.5, name="x")
    for _ in range(100_000):
        x = cr.tanh(x)
    with pytest.raises(ParameterError, match=r"formula: that of tanh would be longer than 10,000 letters"):
        formula(x)
    assert formula(x, depth=2) == "tanh(tanh(...))"


def test_a_long_chain_of_short_sums_is_refused():
    x = total = cr.tensor(0.5, name="x")
    for _ in range(3_000):
        total = total + x
    with pytest.raises(ParameterError, match="Give intermediate tensors a name"):
        formula(total)


def test_a_graph_that_shares_its_nodes_is_refused_before_it_explodes():
    x = cr.tensor(0.5, name="x")
    for _ in range(200):
        x = x * x
    with pytest.raises(ParameterError, match=r"pass e\.g\. depth=3"):
        formula(x, "latex")
    assert formula(x, depth=2) == "... * ... * (... * ...)"


def test_a_graph_that_shares_nodes_at_many_depths_is_refused():
    x, y = cr.tensor(0.5, name="x"), cr.tensor(0.25, name="y")
    for _ in range(2_000):
        x, y = x + y, x
    with pytest.raises(ParameterError, match="10,000 letters"):
        formula(x, depth=1_900)


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, "2"])
def test_depth_must_be_a_positive_int(depth):
    with pytest.raises(ParameterError, match=r"depth must be a positive int or None, got .*Pass depth=3"):
        formula(a * b, depth=depth)


def test_unknown_notations_and_things_that_are_no_tensors_are_refused():
    with pytest.raises(UnknownNameError, match="notation 'latx' is unknown; did you mean 'latex'"):
        formula(a, "latx")
    with pytest.raises(UnknownNameError, match="Known: latex, text"):
        formulas(cr.Program([], {"a": a}), None)
    with pytest.raises(DTypeError, match="formula: expected a tensor, got 3"):
        formula(3.0)


def test_the_function_of_the_package_is_this_one():
    assert cr.formula is formula
    assert cr.formulas is formulas


# programs -------------------------------------------------------------------------------------


def classifier(rule):
    """A training step of a small network, with plain tensors."""
    generator = np.random.default_rng(0)
    x = cr.placeholder(("n", 3), "float64", "x")
    t = cr.placeholder(("n",), "int64", "t")
    lr = cr.placeholder((), "float64", "lr")
    W = [cr.tensor(generator.normal(size=s), name=f"W{i + 1}") for i, s in enumerate([(3, 4), (4, 2)])]
    z1 = x @ W[0]
    z1.name = "z1"
    a1 = cr.relu(z1)
    a1.name = "a1"
    log_p = cr.log_softmax(a1 @ W[1])
    log_p.name = "log_p"
    loss = -cr.pick(log_p, t).mean()
    loss.name = "loss"
    updates = rule.updates(W, cr.gradient(loss, W), lr)
    return cr.Program([x, t, lr], {"loss": loss}, updates)


def test_formulas_of_a_training_step():
    lines = formulas(classifier(SGD())).splitlines()
    assert lines[:5] == [
        "z1 = x @ W1",
        "a1 = maximum(z1, 0)",
        "log_p = log_softmax(a1 @ W2, axis=(1,))",
        "loss = -log_p[arange(n), t].mean()",
        "v1 = (exp(log_p) - one_hot(t, 2)) / n",
    ]
    backward = {
        "d_a1 = v1 @ W2.T",
        "d_W2 = a1.T @ v1",
        "d_z1 = d_a1 * (a1 > 0)",
        "d_W1 = x.T @ d_z1",
    }
    assert set(lines[5:-2]) == backward
    assert lines[-2:] == ["W1 <- W1 - lr * d_W1", "W2 <- W2 - lr * d_W2"]
    latex = formulas(classifier(SGD()), "latex").splitlines()
    assert latex[0] == r"z_1 = x\,W_1"
    assert r"dW_1 = x^T\,dz_1" in latex
    assert latex[-1] == r"W_2 \leftarrow W_2 - \mathrm{lr} \cdot dW_2"
    for line in latex:
        typeset(line)


@pytest.mark.parametrize("rule", [SGD(), SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True), Adam()], ids=repr)
def test_formulas_run_from_top_to_bottom_compute_the_step(rule):
    program = classifier(rule)
    generator = np.random.default_rng(1)
    values = {"x": generator.normal(size=(5, 3)), "t": np.array([0, 1, 1, 0, 1]), "lr": 0.1}
    for variable in program.updates:
        given = generator.normal(size=variable.shape) ** 2 if variable.value is None else variable.value
        values[variable.name] = given
    expected = compile_source(program)(*[values[leaf.name] for leaf in signature(program)])
    found = run(formulas(program), {**values, "n": 5})
    np.testing.assert_allclose(found["loss"], expected[0], rtol=1e-12)
    for variable, new in zip(program.updates, expected[1:], strict=True):
        np.testing.assert_allclose(found[variable.name], new, rtol=1e-7)  # constants of nine digits


def run(text, values):
    for line in text.splitlines():
        name, _, expression = line.replace("<-", "=").partition(" = ")
        values[name] = evaluated(expression, values)
    return values


def test_new_values_are_computed_from_old_ones():
    m, w = cr.tensor([1.0, 2.0], name="m"), cr.tensor([3.0, 4.0], name="w")
    swap = cr.Program([], {}, {m: w, w: m})
    assert formulas(swap).splitlines() == ["new_m = w", "w <- m", "m <- new_m"]
    new = 0.9 * m + 1.0
    kept = cr.Program([], {"before": m}, {m: new, w: w - new})
    assert formulas(kept).splitlines() == [
        "new_m = 0.9 * m + 1",
        "before = m",
        "m <- new_m",
        "w <- w - new_m",
    ]
    moving = cr.Program([], {}, {m: new, w: w - new})
    assert formulas(moving).splitlines() == ["m <- 0.9 * m + 1", "w <- w - m"]


def test_outputs_get_a_line_under_their_label():
    x = cr.placeholder((), "float64", "x")
    y = x * 2.0
    y.name = "y"
    program = cr.Program([x], {"result": y, "x": x, "half": x / 2.0, "again": x / 2.0, "not a name": y})
    assert formulas(program).splitlines() == [
        "y = x * 2",
        "half = x / 2",
        "result = y",
        "again = half",
        "output = y",
    ]


def test_names_are_unique():
    x = cr.placeholder((), "float64", "y1")
    nodes = [cr.exp(x), cr.sin(x), cr.cos(x)]
    for node in nodes:
        node.name = "y1"
    program = cr.Program([x], {"sum": nodes[0] + nodes[1] * nodes[2]})
    assert formulas(program).splitlines() == [
        "y2 = exp(y1)",
        "y3 = sin(y1)",
        "y4 = cos(y1)",
        "sum = y2 + y3 * y4",
    ]


def test_what_has_several_users_or_is_long_gets_a_line():
    x = cr.placeholder((3,), "float64", "x")
    e = cr.exp(x)
    total = e + e * e
    for _ in range(8):
        total = total * x
    lines = formulas(cr.Program([x], {"total": total})).splitlines()
    assert lines[0] == "v1 = exp(x)"
    assert lines[1] == "v2 = (v1 + v1 * v1) * x * x * x * x * x * x * x"
    assert lines[2] == "total = v2 * x"


def test_a_chain_of_20_000_ops_has_formulas():
    x = y = cr.placeholder((), "float64", "x")
    for _ in range(20_000):
        y = cr.tanh(y)
    lines = formulas(cr.Program([x], {"y": y})).splitlines()
    assert max(map(len, lines)) < 200
    assert lines[-1].startswith("y = tanh(")


def recurrent():
    W = cr.tensor(np.eye(3), name="W")
    x = cr.placeholder(("t", 3), "float64", "x")
    h0 = cr.tensor(np.zeros((1, 3)), name="h0")
    last, _ = cr.scan(lambda h, row: (cr.tanh(h @ W + row), None), h0, x)
    loss = (last * last).sum()
    loss.name = "loss"
    return x, W, loss


def test_a_loop_shows_its_step_indented():
    x, _, loss = recurrent()
    text = formulas(cr.Program([x], {"loss": loss}))
    assert text.splitlines() == [
        "scan = scan(h0, x, W)",
        "    h <- tanh(h @ W + row)",
        "loss = (scan[0] * scan[0]).sum()",
    ]
    assert formulas(cr.Program([x], {"loss": loss}), "latex").splitlines() == [
        r"\mathrm{scan} = \operatorname{scan}(h_0, x, W)",
        r"\quad h \leftarrow \tanh(h\,W + \mathrm{row})",
        r"\mathrm{loss} = \sum \mathrm{scan}_{0} \odot \mathrm{scan}_{0}",
    ]
    assert formula(loss) == "loss = (scan(h0, x, W)[0] * scan(h0, x, W)[0]).sum()"


def test_the_loop_backwards_has_formulas():
    x, W, loss = recurrent()
    (slope,) = cr.gradient(loss, [W])
    program = cr.Program([x], {"loss": loss}, {W: W - 0.1 * slope})
    for notation in ("text", "latex"):
        lines = formulas(program, notation).splitlines()
        assert len([line for line in lines if "scan" in line.partition("=")[0]]) == 2
        assert lines[-1].startswith("W ")
        if notation == "latex":
            for line in lines:
                typeset(line)


def test_an_indexed_name_with_a_further_index_is_put_in_parentheses():
    x, W, loss = recurrent()
    (slope,) = cr.gradient(loss, [W])
    latex = formulas(cr.Program([x], {"loss": loss, "slope": slope}), "latex")
    assert r"(\mathrm{scan}_2)_{1}" in latex
