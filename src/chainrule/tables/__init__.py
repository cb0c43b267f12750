"""Tables: files of mixed columns, what kinds of columns they have, and what a network takes of them."""
