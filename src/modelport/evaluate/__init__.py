"""Evaluation: how good a version is on labelled data, compared with another one, and whether it passes its gates."""
