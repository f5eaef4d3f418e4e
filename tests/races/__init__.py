"""What two sessions do at the same instant, made to happen by holding locks."""
