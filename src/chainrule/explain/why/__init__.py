"""One number: why its derivative is what it is, and what if it were another."""
