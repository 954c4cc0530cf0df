"""Watching open rollouts: what was counted is judged, and the rollout advances, is promoted, or is taken back."""
