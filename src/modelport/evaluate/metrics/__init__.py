"""Metrics on arrays of truth and answers, with weights; own NumPy code, without a framework."""
