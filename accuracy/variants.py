"""Update rules from the literature, each on what it was published for, and where it loses.

A file of problems states ``PROBLEMS``: functions of the number of seeds (None for as many as the problem
asks for) and of ``tell``, each of which returns a text that begins with its title, and whether what is asked
is met.
"""

from importlib import import_module

FILES = ("first_order",)


def report(seeds, tell):
    """All problems, one below the other; whether all that is asked is met."""
    parts = [problem(seeds, tell) for file in FILES for problem in import_module(file).PROBLEMS]
    return "\n\n".join(text for text, _ in parts), all(met for _, met in parts)
