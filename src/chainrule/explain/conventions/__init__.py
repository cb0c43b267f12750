"""Conventions of books and frameworks: what each does otherwise, and which of them makes a number."""
