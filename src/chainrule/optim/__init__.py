"""Update rules, written as graph."""
