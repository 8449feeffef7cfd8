"""Notifications on the site and by mail."""
