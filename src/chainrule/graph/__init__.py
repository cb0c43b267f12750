"""The op record and its registry; Tensor, a node with operators; Program, a piece of graph."""
