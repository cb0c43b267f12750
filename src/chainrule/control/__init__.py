"""Control flow as ops whose attribute is a nested program."""
