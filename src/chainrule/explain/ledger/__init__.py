"""The ledger of a training: what moved chosen weights, by step, term and sample."""
