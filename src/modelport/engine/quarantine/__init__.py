"""Inputs that kill the process of a worker: what was running is known afterwards, and does not run a third time."""
