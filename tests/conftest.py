"""What all tests share: hypothesis draws the same examples in every run, and few of them."""

from hypothesis import settings

settings.register_profile("chainrule", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("chainrule")
