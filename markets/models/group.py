"""Groups of users with private markets, and invitations to them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Group(models.Model):
    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=80, unique=True)
    description = models.TextField(_("description"), max_length=1_000, blank=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("members"),
        through="GroupMember",
        related_name="market_groups",
    )

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """`is_owner`: may invite, remove members and make other members owners."""

    group = models.ForeignKey(
        Group, models.CASCADE, verbose_name=_("group"), related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="+"
    )
    is_owner = models.BooleanField(pgettext_lazy("of a group", "owner"), default=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("group member")
        verbose_name_plural = _("group members")
        constraints = (
            models.UniqueConstraint(
                fields=("group", "user"), name="a_user_is_in_a_group_at_most_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class GroupInvitation(models.Model):
    """A link whose holders may join, until it is used up, expired or withdrawn."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    group = models.ForeignKey(
        Group, models.CASCADE, verbose_name=_("group"), related_name="invitations"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("created by"), related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    uses_max = models.PositiveIntegerField(_("uses at most"), default=20)
    uses = models.PositiveIntegerField(_("uses"), default=0)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)

    class Meta:
        verbose_name = _("group invitation")
        verbose_name_plural = _("group invitations")
        constraints = (
            models.CheckConstraint(
                name="a_group_invitation_is_used_at_most_so_often",
                condition=Q(uses__lte=F("uses_max")),
            ),
        )

    def __str__(self) -> str:
        return f"invitation to {self.group}"
