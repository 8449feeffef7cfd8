"""The content security policy of our pages.

Strict: scripts and styles are our own files, inline only with the request's nonce; nothing from
other hosts. The admin (`admin_access`) and the API's documentation (`urls`) relax it for theirs.
"""

from csp.constants import NONCE, NONE, SELF

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "https:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
