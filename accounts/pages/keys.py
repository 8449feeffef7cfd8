"""API keys: create, show once, list, revoke."""

from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import do_create_api_key, do_revoke_api_key, do_revoke_api_keys
from accounts.actions.credentials import NETWORKS_MAX
from accounts.api.permissions import get_address
from accounts.api.principal import act_for_sync, list_account_ids, principal_of_user
from accounts.api.schemas import NETWORK_LENGTH_MAX
from accounts.models import Account, ApiKey, User
from accounts.notices import notify_on_commit
from accounts.signing import PEM_LENGTH_MAX, SIGNING_KINDS, make_key_pair
from kernel.errors import RefusedError, describe, not_found
from kernel.texts import validate_line
from web import limits
from web.pagination import paginate

KEYS_SHOWN = 50
OWN_PAIR = "own"
UNPROCESSABLE = 422


class KeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        help_text=gettext_lazy("A name that tells you which program uses it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        validators=[validate_line],
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Permissions"),
        choices=[
            ("read", gettext_lazy("read: markets, orders, balance")),
            ("trade", gettext_lazy("trade: place, amend and cancel orders")),
            ("operate", gettext_lazy("operate: what your rights as an operator allow")),
        ],
        initial=["read"],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox checkbox-sm"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            ("secret", gettext_lazy("Secret")),
            ("rsa", gettext_lazy("Key pair (RSA)")),
            ("ed25519", gettext_lazy("Key pair (Ed25519)")),
            (OWN_PAIR, gettext_lazy("Key pair of your own")),
        ],
        initial="secret",
        required=False,
        help_text=gettext_lazy(
            "A secret is sent with each request. A key pair signs each request instead, also for "
            "clients of Kalshi."
        ),
    )
    public_key = forms.CharField(
        label=gettext_lazy("Your public key"),
        help_text=gettext_lazy(
            "Only for a key pair of your own: PEM, Ed25519 or RSA. Its private key stays with you."
        ),
        max_length=PEM_LENGTH_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        choices=[
            ("30", gettext_lazy("in 30 days")),
            ("90", gettext_lazy("in 90 days")),
            ("365", gettext_lazy("in a year")),
            ("0", gettext_lazy("when you revoke it")),
        ],
        initial="90",
        coerce=int,
    )
    networks = forms.CharField(
        label=gettext_lazy("Only from these IP addresses"),
        help_text=gettext_lazy(
            "Addresses or networks like 192.0.2.0/24 or 2001:db8::/32, one per line. Empty: from "
            "everywhere."
        ),
        max_length=NETWORKS_MAX * (NETWORK_LENGTH_MAX + 2),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off"}),
    )

    account = forms.TypedChoiceField(label=gettext_lazy("Account"), coerce=int)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer_accounts(user)
        if not (user.is_staff and user.may_operate):
            scopes: Any = self.fields["scopes"]
            scopes.choices = [pair for pair in scopes.choices if pair[0] != "operate"]

    def clean(self) -> dict[str, Any]:
        """A public key is given for a pair of one's own, and for nothing else."""
        data = cast("dict[str, Any]", super().clean())
        field, given = self.fields["public_key"], bool(data.get("public_key"))
        is_own = data.get("kind") == OWN_PAIR
        if is_own and not given and "public_key" not in self.errors:
            self.add_error("public_key", field.error_messages["required"])
        if given and not is_own:
            self.add_error("public_key", _("Leave this empty, or choose a key pair of your own."))
        return data

    def _offer_accounts(self, user: User) -> None:
        """Ask for the account where the user has several."""
        numbers = [row.subaccount for row in user.accounts.filter(closed_at=None)]
        if len(numbers) <= 1:
            del self.fields["account"]
            return
        field = cast("forms.TypedChoiceField", self.fields["account"])
        field.choices = [(number, name_account(number)) for number in sorted(numbers)]


def name_account(subaccount: int) -> str:
    if not subaccount:
        return _("Main account")
    return _("Sub-account %(number)d") % {"number": subaccount}


@login_required
@reauthentication_required(allow_get=True)
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """The secret is only in the response to the form, so this does not redirect."""
    user = cast("User", request.user)
    form = KeyForm(request.POST or None, user=user)
    made, status = None, 200
    if request.method == "POST":
        made = _create(request, form) if form.is_valid() else None
        status = UNPROCESSABLE if made is None else 201
        form = form if made is None else KeyForm(user=user)
    own = list_account_ids(principal_of_user(user))
    page = paginate(
        ApiKey.objects.filter(account__in=own).select_related("account"),
        order=["-id"],
        cursor=request.GET.get("cursor", ""),
        limit=KEYS_SHOWN,
    )
    context = {
        "tab": "keys",
        "form": form,
        "made": made,
        "keys": page.rows,
        "next_cursor": page.next_cursor,
        "live_keys": ApiKey.objects.live().filter(account__in=own).count(),
        "now": timezone.now(),
    }
    response = render(request, "accounts/keys.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@reauthentication_required
@require_POST
def revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    user = cast("User", request.user)
    own = list_account_ids(principal_of_user(user))
    key = ApiKey.objects.filter(pk=key_id, account__in=own).first()
    if key is None:
        raise not_found("this key")
    do_revoke_api_key(key, by=user)
    messages.success(request, _("The key has been revoked."))
    return redirect("account_keys")


@login_required
@reauthentication_required
@require_POST
def revoke_all(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    do_revoke_api_keys(user, by=user)
    notify_on_commit(user, "keys_revoked", by=user)
    messages.success(request, _("All keys have been revoked."))
    return redirect("account_keys")


class MadeKey(NamedTuple):
    """A new key as it is shown once: its secret, or the private key if we made the pair."""

    key: ApiKey
    secret: str
    private_key: str


def _create(request: HttpRequest, form: KeyForm) -> MadeKey | None:
    """Return the new key; None with an error on the form if refused."""
    user, data = cast("User", request.user), form.cleaned_data
    acting = act_for_sync(principal_of_user(user), data.get("account", 0))
    account = Account.objects.get(pk=acting.account_id)
    limits.check_attempt("key_creation", address=get_address(request), account=str(account.pk))
    expires_at = timezone.now() + timedelta(days=data["days"]) if data["days"] else None
    private_key, public_key = "", data["public_key"]
    if data["kind"] in SIGNING_KINDS:
        private_key, public_key = make_key_pair(data["kind"])
    try:
        key, secret = do_create_api_key(
            account,
            name=data["name"],
            scopes=data["scopes"],
            by=user,
            expires_at=expires_at,
            public_key=public_key,
            networks=data["networks"].replace(",", " ").split(),
        )
    except RefusedError as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, describe(refusal))
        return None
    return MadeKey(key, secret, private_key)
