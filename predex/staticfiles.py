"""Where static files are kept for production: compressed, under names that change with them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Static files under hashed names, which the imports of our ES modules name too."""

    support_js_module_import_aggregation = True
