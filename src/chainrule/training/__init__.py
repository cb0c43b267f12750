"""Networks that learn from data: checks, the loop, what shows it, and the files that keep the result."""
