"""What several test packages need; nothing here is a test."""
