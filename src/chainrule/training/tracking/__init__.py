"""Fits written down while they run: as lines of a file, for TensorBoard, for MLflow."""
