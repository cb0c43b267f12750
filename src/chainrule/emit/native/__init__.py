"""The compiled reading: the graph planned into loop nests and matrix products, run as machine code."""
