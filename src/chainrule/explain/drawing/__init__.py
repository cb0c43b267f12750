"""Networks and graphs as SVG."""
