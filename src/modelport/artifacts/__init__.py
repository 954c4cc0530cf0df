"""The files of a version, named by their content."""
