"""Bytes ⇄ core, one file per dialect, no sockets."""
