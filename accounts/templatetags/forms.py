"""Form controls in the site's style, for forms whose widgets are not ours."""

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
    """Render the field's control alone. It has a separate label, so it needs no placeholder.

    It has no maxlength: browsers silently truncate pasted texts, while the form reports what is too
    long.
    """
    css = css or CLASSES.get(field.widget_type, INPUT_CLASS)
    if field.errors and css == INPUT_CLASS:
        css += " input-error"
    attrs: dict[str, Any] = {"class": css, "placeholder": False, "maxlength": False}
    return SafeString(field.as_widget(attrs=attrs))
