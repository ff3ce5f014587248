"""Preference records: brought in, checked, and handed out."""
