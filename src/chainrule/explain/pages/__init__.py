"""Pages of HTML that stand alone, and what is on them."""
