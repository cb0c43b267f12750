"""What a network does, number by number: traces, derivations, pictures, and what is wrong with a training."""
