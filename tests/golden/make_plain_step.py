"""Write plain_step.txt: the step of a fit without any training tool, printed and compiled.

    python tests/golden/make_plain_step.py

Its loops change where the compiler gets better, and then this is to be run anew. They do not change where a
training tool is added: what is not used costs nothing.
"""

from pathlib import Path

import chainrule as cr

FILE = Path(__file__).with_name("plain_step.txt")


def plain_step():
    """Source and loops of the step of a small classifier, for two rules."""
    parts = []
    for rule in (cr.SGD(0.1), cr.Adam(0.001)):
        net = cr.Network([cr.Dense(64, "relu"), cr.Dense(10)], loss="cross_entropy")
        net.build(64, seed=0)
        parts += [f"# {type(rule).__name__}", net.source(rule), cr.loop_source(net.program(rule))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    FILE.write_text(plain_step(), encoding="utf-8")
