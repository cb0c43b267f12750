"""Layers, losses and initial weights; a network's structure, weights and graph."""
