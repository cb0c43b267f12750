"""Images: changed anew for every epoch of a training, and read from folders."""
