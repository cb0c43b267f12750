"""Worked examples from books and lectures, each a small program with the published numbers beside ours."""
