"""Numbers about the server, in memory that all its workers share."""
