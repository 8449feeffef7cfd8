"""Form controls in the site's look, for forms whose widgets are not ours."""

from typing import Any

from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

register = template.Library()

CLASSES = {
    "checkbox": "checkbox checkbox-sm mt-0.5",
    "radio": "radio radio-sm",
    "select": "select w-full",
    "textarea": "textarea w-full",
}
INPUT_CLASS = "input w-full"


@register.simple_tag
def control(field: BoundField, css: str = "") -> SafeString:
    """The field's control alone. Its label stands beside it, so it needs no placeholder.

    It takes a text of any length: a browser would cut one that is pasted without a word, and the
    form says what is too long.
    """
    css = css or CLASSES.get(field.widget_type, INPUT_CLASS)
    if field.errors and css == INPUT_CLASS:
        css += " input-error"
    attrs: dict[str, Any] = {"class": css, "placeholder": False, "maxlength": False}
    return SafeString(field.as_widget(attrs=attrs))
