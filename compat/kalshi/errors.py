"""Errors as programs get them, whole replies and those of one order of a batch alike."""

from kernel.errors import ApiError


def show_error(error: ApiError) -> dict[str, str]:
    text = f"{error.field}: {error.message}" if error.field else error.message
    return {"code": error.code, "message": text, "details": text, "service": "predex"}
