"""The user: logs in by e-mail, is seen by handle, trades through accounts."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.handles import DELETED_PREFIX, VALIDATORS
from kernel.errors import RefusedError


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())

    @transaction.atomic
    def create_user(
        self, email: str, handle: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create the user and account number 1; grants and audit rows are `do_create_user`'s."""
        kind = fields.pop("kind", "user")
        user = self.model(email=email.lower(), handle=handle, **fields)
        user.set_password(password)
        user.save(using=self._db)
        user.accounts.create(kind=kind)
        return user

    def create_superuser(
        self, email: str, handle: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create an operator. Access to the command line suffices to verify the address."""
        from accounts.actions import do_create_operator  # which refers to this model

        try:
            return do_create_operator(email=email, handle=handle, password=password, **fields)
        except RefusedError as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from None


class User(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(_("e-mail address"), unique=True)
    handle = models.CharField(
        _("handle"),
        max_length=30,
        unique=True,
        validators=VALIDATORS,
        help_text=_("Public name: 3 to 30 lower-case letters, digits or underscores."),
    )
    display_name = models.CharField(_("display name"), max_length=60, blank=True)
    bio = models.CharField(
        _("about the user"), max_length=300, blank=True, help_text=_("A few words, plain text.")
    )
    is_active = models.BooleanField(pgettext_lazy("a user", "active"), default=True)
    is_staff = models.BooleanField(
        _("operator"),
        default=False,
        help_text=_("May use the admin and, by permission, operators' calls."),
    )
    is_superuser = models.BooleanField(
        _("every right"),
        default=False,
        help_text=_("May do everything, whatever the roles and permissions below."),
    )
    last_login = models.DateTimeField(_("last log-in"), null=True, blank=True)
    public_profile = models.BooleanField(
        _("public profile"),
        default=True,
        help_text=_("Others may look at the profile and the track record."),
    )
    on_leaderboards = models.BooleanField(
        _("on leaderboards"), default=True, help_text=_("Is named on leaderboards.")
    )
    shares_positions = models.BooleanField(
        _("shares positions"), default=False, help_text=_("The profile shows what is held now.")
    )
    suspended_at = models.DateTimeField(_("suspended at"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)
    # Not a column: whether this request's credential carries an operator's rights. Authentication
    # sets it (`accounts.second_factor`); internal callers are not restricted.
    may_operate = True
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["handle"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        permissions = [
            ("suspend_users", _("suspend and reinstate users and close accounts")),
        ]
        constraints = [
            models.CheckConstraint(
                name="an_email_is_stored_in_lower_case", condition=models.Q(email=Lower("email"))
            ),
            models.CheckConstraint(
                name="a_handle_is_stored_in_lower_case", condition=models.Q(handle=Lower("handle"))
            ),
            models.CheckConstraint(
                name="a_deleted_user_has_no_name_and_no_way_in",
                condition=models.Q(deleted_at__isnull=True)
                | models.Q(
                    handle__startswith=DELETED_PREFIX, display_name="", bio="", is_active=False
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.handle

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.may_operate and super().has_perm(perm, obj)

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


class RetiredHandle(models.Model):
    """A deleted user's handle as a keyed hash, so that no one can impersonate them."""

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)

    class Meta:
        verbose_name = _("retired handle")
        verbose_name_plural = _("retired handles")

    def __str__(self) -> str:
        return self.digest
