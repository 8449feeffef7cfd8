"""How dates and times are written, for each language: one way everywhere, pages and admin alike.

What a browser writes by itself (`static/js/site.js`) is Intl's "medium" date, which these are.
"""
