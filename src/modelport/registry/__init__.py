"""Models, their versions and aliases, and the history of all changes. Importing it imports no database."""
