"""Formats of dates and times for each language, the same on pages and in the admin.

They equal Intl's "medium" style, which the browser uses in `static/js/site.js`.
"""
