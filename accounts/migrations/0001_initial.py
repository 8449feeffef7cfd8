"""Users, accounts, the ledger, credentials, policy and records."""

import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.handles
import accounts.models.policy
import kernel.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last log-in"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="May do everything, whatever the roles and permissions below.",
                        verbose_name="every right",
                    ),
                ),
                (
                    "email",
                    models.EmailField(max_length=254, unique=True, verbose_name="e-mail address"),
                ),
                (
                    "handle",
                    models.CharField(
                        help_text="Public name: 3 to 30 lower-case letters, digits or underscores.",
                        max_length=30,
                        unique=True,
                        validators=[accounts.handles.validate_handle],
                        verbose_name="handle",
                    ),
                ),
                (
                    "display_name",
                    models.CharField(blank=True, max_length=60, verbose_name="display name"),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="May use the admin and, by permission, operators' calls.",
                        verbose_name="operator",
                    ),
                ),
                (
                    "suspended_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="suspended at"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "permissions": [
                    ("suspend_users", "suspend and reinstate users and close accounts")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("email", django.db.models.functions.text.Lower("email"))
                        ),
                        name="an_email_is_stored_in_lower_case",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("handle", django.db.models.functions.text.Lower("handle"))
                        ),
                        name="a_handle_is_stored_in_lower_case",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(default=1, verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("system", "System"),
                            ("house", "House"),
                            ("maker", "Maker"),
                            ("escrow", "Escrow"),
                            ("fees", "Fees"),
                            ("issuer", "Issuer"),
                        ],
                        default="user",
                        max_length=6,
                        verbose_name="kind",
                    ),
                ),
                (
                    "currency",
                    models.CharField(default="CREDIT", max_length=12, verbose_name="currency"),
                ),
                (
                    "market_id",
                    models.BigIntegerField(
                        blank=True, null=True, verbose_name="number of the market"
                    ),
                ),
                ("cash_micros", models.BigIntegerField(default=0, verbose_name="cash, in micros")),
                ("held_micros", models.BigIntegerField(default=0, verbose_name="held, in micros")),
                (
                    "withdrawing_micros",
                    models.BigIntegerField(default=0, verbose_name="being withdrawn, in micros"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="closed at"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "account",
                "verbose_name_plural": "accounts",
                "permissions": [("deposit_credits", "book deposits")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["issuer", "house"]),
                            (
                                "cash_micros__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("held_micros"), "+", models.F("withdrawing_micros")
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="available_never_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("held_micros__gte", 0)), name="held_never_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("withdrawing_micros__gte", 0)),
                        name="withdrawing_never_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cash_micros__gte", -4000000000000000000)),
                        name="issued_credits_fit_in_64_bits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind__in", ["user", "system"]), ("owner__isnull", False)),
                            models.Q(
                                models.Q(("kind__in", ["user", "system"]), _negated=True),
                                ("owner__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="only_users_and_systems_have_an_owner",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ["escrow", "fees", "maker"]),
                                ("market_id__isnull", False),
                            ),
                            models.Q(
                                models.Q(("kind__in", ["escrow", "fees", "maker"]), _negated=True),
                                ("market_id__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="only_market_accounts_have_a_market",
                    ),
                    models.UniqueConstraint(
                        fields=("owner", "number"), name="an_owner_numbers_each_account_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("market_id__isnull", False)),
                        fields=("market_id", "kind"),
                        name="a_market_has_one_account_of_a_kind",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind__in", ["issuer", "house"])),
                        fields=("currency", "kind"),
                        name="a_currency_has_one_issuer_and_one_house",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("prefix", models.CharField(max_length=16, unique=True, verbose_name="prefix")),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("scopes", models.JSONField(default=list, verbose_name="scopes")),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="expires at"),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last used at"),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="revoked at"),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "API keys",
                "verbose_name": "API key",
                "indexes": [models.Index(fields=["account", "id"], name="keys_of_an_account")],
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("action", models.CharField(max_length=40, verbose_name="action")),
                ("subject_type", models.CharField(max_length=40, verbose_name="kind of subject")),
                ("subject_id", models.CharField(max_length=80, verbose_name="subject's ID")),
                (
                    "before",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="before",
                    ),
                ),
                (
                    "after",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="after",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                (
                    "request_id",
                    models.CharField(blank=True, max_length=64, verbose_name="request ID"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="actor",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
                "indexes": [
                    models.Index(fields=["actor", "id"], name="audit_events_of_an_actor"),
                    models.Index(
                        fields=["subject_type", "subject_id", "id"],
                        name="audit_events_of_a_subject",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64, verbose_name="key")),
                ("operation", models.CharField(max_length=40, verbose_name="operation")),
                ("body_digest", models.CharField(max_length=64, verbose_name="digest of the body")),
                ("status", models.PositiveSmallIntegerField(default=0, verbose_name="status")),
                ("answer", models.JSONField(default=dict, verbose_name="answer")),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "idempotent request",
                "verbose_name_plural": "idempotent requests",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "key"), name="an_account_uses_an_idempotency_key_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InviteCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=40, unique=True, verbose_name="code")),
                ("uses_max", models.PositiveIntegerField(default=1, verbose_name="uses at most")),
                ("uses", models.PositiveIntegerField(default=0, verbose_name="uses")),
                (
                    "expires_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="expires at"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
            ],
            options={
                "verbose_name": "invitation code",
                "verbose_name_plural": "invitation codes",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("uses__lte", models.F("uses_max"))),
                        name="an_invite_is_used_at_most_so_often",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginSession",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("password_stamp", models.CharField(max_length=64, verbose_name="password stamp")),
                ("address", models.GenericIPAddressField(null=True, verbose_name="IP address")),
                (
                    "user_agent",
                    models.CharField(blank=True, max_length=200, verbose_name="program"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("revoked_at", models.DateTimeField(null=True, verbose_name="revoked at")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="login_sessions",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={"verbose_name": "API session", "verbose_name_plural": "API sessions"},
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sign_up",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("invite", "By invitation"),
                            ("closed", "Closed"),
                        ],
                        default="open",
                        max_length=6,
                        verbose_name="sign-up",
                    ),
                ),
                (
                    "sign_up_grant_micros",
                    models.PositiveBigIntegerField(
                        default=10000000000,
                        help_text="In micros, millionths of the currency.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000000000)],
                        verbose_name="grant at sign-up, in micros",
                    ),
                ),
                (
                    "who_may_create",
                    models.CharField(
                        choices=[
                            ("operators", "Operators"),
                            ("everyone", "Everyone, after an operator's approval"),
                        ],
                        default="operators",
                        max_length=9,
                        verbose_name="who may create markets",
                    ),
                ),
                (
                    "who_may_resolve",
                    models.CharField(
                        choices=[
                            ("operators", "Operators"),
                            ("resolvers", "Each market's resolver, and operators"),
                        ],
                        default="resolvers",
                        max_length=9,
                        verbose_name="who may propose results",
                    ),
                ),
                (
                    "two_person_rule",
                    models.BooleanField(
                        default=False,
                        help_text="No operator decides alone on what concerns their own money.",
                        verbose_name="two-person rule",
                    ),
                ),
                (
                    "default_fee_kind",
                    models.CharField(
                        choices=[("none", "None"), ("flat", "Flat"), ("quadratic", "Quadratic")],
                        default="none",
                        max_length=9,
                        verbose_name="fees",
                    ),
                ),
                (
                    "default_fee_maker_rate",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Flat: micros per contract; quadratic: millionths.",
                        verbose_name="maker's rate",
                    ),
                ),
                (
                    "default_fee_taker_rate",
                    models.PositiveIntegerField(default=0, verbose_name="taker's rate"),
                ),
                (
                    "default_fee_unit_micros",
                    models.PositiveIntegerField(
                        choices=[(1, "a millionth"), (10000, "a hundredth")],
                        default=1,
                        verbose_name="fees are rounded up to",
                    ),
                ),
                (
                    "default_dispute_seconds",
                    models.PositiveIntegerField(
                        default=3600, verbose_name="dispute window, in seconds"
                    ),
                ),
                (
                    "currency_name",
                    models.CharField(
                        default="credits", max_length=30, verbose_name="currency's name"
                    ),
                ),
                (
                    "currency_symbol",
                    models.CharField(default="¤", max_length=8, verbose_name="currency's symbol"),
                ),
                (
                    "site_name",
                    models.CharField(default="predex", max_length=60, verbose_name="site's name"),
                ),
                (
                    "logo_url",
                    models.CharField(
                        blank=True,
                        help_text="A path on this site or an https:// address.",
                        max_length=300,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^(/|https://)\\S+\\Z", "Start with / or https://."
                            )
                        ],
                        verbose_name="address of the logo",
                    ),
                ),
                (
                    "accent_colour",
                    models.CharField(
                        default="#2563eb",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^#[0-9a-f]{6}\\Z", "Like #2563eb."
                            )
                        ],
                        verbose_name="accent colour",
                    ),
                ),
                (
                    "rate_limits",
                    models.JSONField(
                        default=accounts.models.policy.default_rate_limits,
                        help_text="Per account class and bucket: [tokens per second, burst].",
                        validators=[accounts.models.policy.validate_rate_limits],
                        verbose_name="rate limits",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
            ],
            options={
                "verbose_name": "policy",
                "verbose_name_plural": "policy",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="there_is_one_policy"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("amount_micros", models.BigIntegerField(verbose_name="amount, in micros")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("grant", "Grant"),
                            ("deposit", "Deposit"),
                            ("withdrawal", "Withdrawal"),
                            ("trade", "Trade"),
                            ("fee", "Fee"),
                            ("settlement", "Settlement"),
                            ("void", "Void"),
                            ("fee_refund", "Fee refund"),
                            ("fee_income", "Fee income"),
                            ("house_cover", "House cover"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("reference", models.UUIDField(null=True, verbose_name="reference")),
                (
                    "market_id",
                    models.BigIntegerField(null=True, verbose_name="number of the market"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created at"
                    ),
                ),
                (
                    "credit_account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="credited account",
                    ),
                ),
                (
                    "debit_account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                        verbose_name="debited account",
                    ),
                ),
            ],
            options={
                "verbose_name": "transfer",
                "verbose_name_plural": "transfers",
                "indexes": [
                    models.Index(
                        fields=["debit_account", "id"], name="transfers_out_of_an_account"
                    ),
                    models.Index(fields=["credit_account", "id"], name="transfers_into_an_account"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_micros__gt", 0)),
                        name="a_transfer_moves_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("debit_account", models.F("credit_account")), _negated=True
                        ),
                        name="a_transfer_is_between_two_accounts",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WithdrawalRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("amount_micros", models.BigIntegerField(verbose_name="amount, in micros")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="requested",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="requested at"
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided at")),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="withdrawals",
                        to="accounts.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
            ],
            options={
                "verbose_name": "withdrawal request",
                "verbose_name_plural": "withdrawal requests",
                "permissions": [("decide_withdrawals", "approve and reject withdrawals")],
                "indexes": [
                    models.Index(fields=["account", "id"], name="withdrawals_of_an_account")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_micros__gt", 0)),
                        name="a_withdrawal_asks_for_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", True),
                                ("decided_by__isnull", True),
                                ("status", "requested"),
                            ),
                            models.Q(
                                models.Q(("status", "requested"), _negated=True),
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="a_decided_withdrawal_says_who_and_when",
                    ),
                ],
            },
        ),
    ]
