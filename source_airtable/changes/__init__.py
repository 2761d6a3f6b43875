"""What one stream has to read of one table, and what it saves for its next sync."""
