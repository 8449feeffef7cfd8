"""Storage of static files in production: compressed, under names that contain their hash."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Static files under hashed names, which imports in our ES modules use too."""

    support_js_module_import_aggregation = True
