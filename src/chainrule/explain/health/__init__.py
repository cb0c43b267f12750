"""What is wrong with a training, how sure that is, and what to try."""
