"""The database: connections, transactions, tables and their migrations. SQLite or PostgreSQL."""
