"""The chain rule, and the check of its results against numerical differentiation."""
