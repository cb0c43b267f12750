"""The readings of the graph: readable source, fused loops, formulas; and the engines that run them."""
