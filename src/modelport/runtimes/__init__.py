"""What loads model files: one file per framework, beside the catalog of formats. Importing it imports no framework."""
