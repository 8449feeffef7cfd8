"""What models, their fields and their choices are called on pages, in the viewer's language.

Names are given to the loaded models, not written into them, so no migration knows of them: a
field's `_verbose_name` and a model's `original_attrs`, which migrations read, stay as they are.
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Permission
from django.db.models import Field, Model
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import get_language, pgettext_lazy

VERBS = {
    "add": pgettext_lazy("a permission", "add"),
    "change": pgettext_lazy("a permission", "change"),
    "delete": pgettext_lazy("a permission", "delete"),
    "view": pgettext_lazy("a permission", "view"),
}
_permissions: dict[str, Any] = {}


def give_names(app: AppConfig, names: ModuleType, *, also: Iterable[type[Model]] = ()) -> None:
    """Name an app's models, fields and rights as its module `names` says.

    FIELDS, CHOICES and HELPS go by "Model.field", FIELDS else by "field". `also` are models of
    other packages that its pages show.
    """
    for codename, name in names.PERMISSIONS.items():
        _permissions[f"{app.label}.{codename}"] = name
    for model in (*app.get_models(), *also):
        _name_model(model, names)
        for field in (*model._meta.concrete_fields, *model._meta.local_many_to_many):
            _name_field(field, names)


def describe_permission(permission: Permission) -> str:
    """Say it like "Market: view". Needs `permission.content_type`."""
    kind = permission.content_type
    model = kind.model_class()
    verb, _joint, name = permission.codename.partition("_")
    if name == kind.model and verb in VERBS:
        what = VERBS[verb]
    else:
        what = _permissions.get(f"{kind.app_label}.{permission.codename}", permission.name)
    subject = kind.model if model is None else model._meta.verbose_name
    return f"{capfirst(subject)}: {what}"


def _name_model(model: type[Model], names: ModuleType) -> None:
    if model.__name__ in names.MODELS:
        options = model._meta
        options.verbose_name, options.verbose_name_plural = names.MODELS[model.__name__]


def _name_field(field: Field, names: ModuleType) -> None:
    fields, choices, helps = names.FIELDS, names.CHOICES, names.HELPS
    key = f"{field.model.__name__}.{field.name}"
    field.verbose_name = fields.get(key) or fields.get(field.name) or field.verbose_name
    if key in helps:
        field.help_text = _unless_migrating(field.help_text, helps[key])
    if key in choices:
        named = choices[key]
        field.choices = [
            (value, _unless_migrating(label, named.get(value, label)))
            for value, label in field.choices or []
        ]


def _pick(known: Any, named: Any) -> str:
    return str(known if get_language() is None else named)


# Migrations compare help texts and choices as well, but are made without any language.
_unless_migrating = lazy(_pick, str)
