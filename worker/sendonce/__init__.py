"""Sendonce: every contact gets the message once, or visibly not."""
