"""Labelled data sets, read batch after batch: tables, arrays, folders of files."""
