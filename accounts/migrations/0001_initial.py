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
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True)),
                (
                    "handle",
                    models.CharField(
                        help_text="Public name: 3 to 30 lower-case letters, digits or underscores.",
                        max_length=30,
                        unique=True,
                        validators=[accounts.handles.validate_handle],
                    ),
                ),
                ("display_name", models.CharField(blank=True, max_length=60)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="May use the admin and, by permission, operators' calls.",
                        verbose_name="operator",
                    ),
                ),
                ("suspended_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                "permissions": [
                    ("suspend_users", "Can suspend and reinstate users and close accounts")
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
                ("number", models.PositiveSmallIntegerField(default=1)),
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
                    ),
                ),
                ("currency", models.CharField(default="CREDIT", max_length=12)),
                ("market_id", models.BigIntegerField(blank=True, null=True)),
                ("cash_micros", models.BigIntegerField(default=0)),
                ("held_micros", models.BigIntegerField(default=0)),
                ("withdrawing_micros", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accounts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("deposit_credits", "Can deposit credits")],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid, primary_key=True, serialize=False
                    ),
                ),
                ("prefix", models.CharField(max_length=16, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=60)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid, primary_key=True, serialize=False
                    ),
                ),
                ("action", models.CharField(max_length=40)),
                ("subject_type", models.CharField(max_length=40)),
                ("subject_id", models.CharField(max_length=80)),
                (
                    "before",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder, null=True
                    ),
                ),
                (
                    "after",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder, null=True
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
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
                ("key", models.CharField(max_length=64)),
                ("operation", models.CharField(max_length=40)),
                ("body_digest", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("answer", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
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
                ("code", models.CharField(max_length=40, unique=True)),
                ("uses_max", models.PositiveIntegerField(default=1)),
                ("uses", models.PositiveIntegerField(default=0)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LoginSession",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid, primary_key=True, serialize=False
                    ),
                ),
                ("password_stamp", models.CharField(max_length=64)),
                ("address", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="login_sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
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
                        choices=[("open", "Open"), ("invite", "Invite"), ("closed", "Closed")],
                        default="open",
                        max_length=6,
                    ),
                ),
                (
                    "sign_up_grant_micros",
                    models.PositiveBigIntegerField(
                        default=10000000000,
                        help_text="In micros: 1,000,000 are one credit.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000000000)],
                    ),
                ),
                (
                    "who_may_create",
                    models.CharField(
                        choices=[
                            ("operators", "Operators"),
                            ("everyone", "everyone, after an operator's approval"),
                        ],
                        default="operators",
                        max_length=9,
                    ),
                ),
                (
                    "who_may_resolve",
                    models.CharField(
                        choices=[
                            ("operators", "Operators"),
                            ("resolvers", "each market's resolver, and operators"),
                        ],
                        default="resolvers",
                        max_length=9,
                    ),
                ),
                (
                    "two_person_rule",
                    models.BooleanField(
                        default=False,
                        help_text="No operator decides alone on what concerns their own money.",
                    ),
                ),
                (
                    "default_fee_kind",
                    models.CharField(
                        choices=[("none", "None"), ("flat", "Flat"), ("quadratic", "Quadratic")],
                        default="none",
                        max_length=9,
                    ),
                ),
                (
                    "default_fee_maker_rate",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Flat: micros per contract; quadratic: millionths of a credit.",
                    ),
                ),
                ("default_fee_taker_rate", models.PositiveIntegerField(default=0)),
                (
                    "default_fee_unit_micros",
                    models.PositiveIntegerField(
                        choices=[(1, "a micro"), (10000, "a cent")], default=1
                    ),
                ),
                ("default_dispute_seconds", models.PositiveIntegerField(default=3600)),
                ("currency_name", models.CharField(default="credits", max_length=30)),
                ("currency_symbol", models.CharField(default="¤", max_length=8)),
                ("site_name", models.CharField(default="predex", max_length=60)),
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
                    ),
                ),
                (
                    "rate_limits",
                    models.JSONField(
                        default=accounts.models.policy.default_rate_limits,
                        help_text="Per account class and bucket: [tokens per second, burst].",
                        validators=[accounts.models.policy.validate_rate_limits],
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
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
                        default=kernel.ids.new_uuid, primary_key=True, serialize=False
                    ),
                ),
                ("amount_micros", models.BigIntegerField()),
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
                            ("fee_refund", "Fee Refund"),
                            ("fee_income", "Fee Income"),
                            ("house_cover", "House Cover"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reference", models.UUIDField(null=True)),
                ("market_id", models.BigIntegerField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "credit_account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "debit_account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WithdrawalRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=kernel.ids.new_uuid, primary_key=True, serialize=False
                    ),
                ),
                ("amount_micros", models.BigIntegerField()),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                        ],
                        default="requested",
                        max_length=9,
                    ),
                ),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=200)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="withdrawals",
                        to="accounts.account",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("decide_withdrawals", "Can approve and reject withdrawals")],
            },
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                name="an_email_is_stored_in_lower_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("handle", django.db.models.functions.text.Lower("handle"))),
                name="a_handle_is_stored_in_lower_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_micros__gte", 0)), name="held_never_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("withdrawing_micros__gte", 0)),
                name="withdrawing_never_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("cash_micros__gte", -4000000000000000000)),
                name="issued_credits_fit_in_64_bits",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ["escrow", "fees", "maker"]), ("market_id__isnull", False)
                    ),
                    models.Q(
                        models.Q(("kind__in", ["escrow", "fees", "maker"]), _negated=True),
                        ("market_id__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="only_market_accounts_have_a_market",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                fields=("owner", "number"), name="an_owner_numbers_each_account_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                condition=models.Q(("market_id__isnull", False)),
                fields=("market_id", "kind"),
                name="a_market_has_one_account_of_a_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["issuer", "house"])),
                fields=("currency", "kind"),
                name="a_currency_has_one_issuer_and_one_house",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["account", "id"], name="keys_of_an_account"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["actor", "id"], name="audit_events_of_an_actor"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["subject_type", "subject_id", "id"], name="audit_events_of_a_subject"
            ),
        ),
        migrations.AddConstraint(
            model_name="idempotentrequest",
            constraint=models.UniqueConstraint(
                fields=("account", "key"), name="an_account_uses_an_idempotency_key_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitecode",
            constraint=models.CheckConstraint(
                condition=models.Q(("uses__lte", models.F("uses_max"))),
                name="an_invite_is_used_at_most_so_often",
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["debit_account", "id"], name="transfers_out_of_an_account"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["credit_account", "id"], name="transfers_into_an_account"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_micros__gt", 0)), name="a_transfer_moves_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit_account", models.F("credit_account")), _negated=True),
                name="a_transfer_is_between_two_accounts",
            ),
        ),
        migrations.AddIndex(
            model_name="withdrawalrequest",
            index=models.Index(fields=["account", "id"], name="withdrawals_of_an_account"),
        ),
        migrations.AddConstraint(
            model_name="withdrawalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_micros__gt", 0)), name="a_withdrawal_asks_for_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawalrequest",
            constraint=models.CheckConstraint(
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
        ),
    ]
