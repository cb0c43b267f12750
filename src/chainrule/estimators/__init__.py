"""Networks with scikit-learn's interface: its parameters and attributes, and more."""
