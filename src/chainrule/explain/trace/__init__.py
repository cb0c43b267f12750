"""A training step line by line, in the notation of a book, and the equations behind it."""
