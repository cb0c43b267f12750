"""`Network`, the class that people use, and how it is read from a file."""
