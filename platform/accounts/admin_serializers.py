"""The shapes of people, tokens, sites and the audit as the OpenAPI document tells them."""

from __future__ import annotations

from rest_framework import serializers

from accounts.administration import SITE_FIELDS
from accounts.models import SHARE_WEIGHT_MAXIMUM, ApiToken, Role, Site, User
from common.fields import STRICT_FIELDS, StrictBooleanField, StrictCharField, StrictIntegerField, StrictSlugField


class UserSerializer(serializers.ModelSerializer):
    """A person. `must_change_password`: has not yet chosen a password since an administrator gave one."""

    site: serializers.SlugRelatedField = serializers.SlugRelatedField(slug_field="slug", read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "role", "site", "is_active", "must_change_password", "last_login", "date_joined"]
        read_only_fields = fields


class UserWithPasswordSerializer(UserSerializer):
    temporary_password = serializers.CharField(help_text="Shown once; its user must choose another at the first sign-in.")

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "temporary_password"]
        read_only_fields = fields


class UserAddSerializer(serializers.Serializer):
    username = StrictCharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)
    site = StrictSlugField(required=False, help_text="For platform administrators; left out: your own.")


class UserChangeSerializer(serializers.Serializer):
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = StrictBooleanField(required=False)


class PasswordSerializer(serializers.Serializer):
    current_password = StrictCharField(max_length=200, trim_whitespace=False, write_only=True)
    new_password = StrictCharField(max_length=200, trim_whitespace=False, write_only=True)


class TokenSerializer(serializers.ModelSerializer):
    """A machine's credential, without its secret."""

    user: serializers.SlugRelatedField = serializers.SlugRelatedField(slug_field="username", read_only=True)

    class Meta:
        model = ApiToken
        fields = ["id", "name", "prefix", "user", "read_only", "created_at", "last_used_at", "expires_at", "revoked_at"]
        read_only_fields = fields


class TokenShownSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown once; only its hash is stored.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


class TokenAddSerializer(serializers.Serializer):
    name = StrictCharField(max_length=100)
    user = StrictIntegerField(required=False, help_text="For administrators; left out: your own.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    read_only = StrictBooleanField(  # type: ignore[assignment]  # DRF keeps fields apart from attributes
        default=False, help_text="Reads and nothing else."
    )


class SiteSerializer(serializers.ModelSerializer):
    """A hospital. Of the limits null is the platform's default and 0 no limit."""

    class Meta:
        model = Site
        fields = ["id", "slug", "created_at", *SITE_FIELDS]
        read_only_fields = fields


class SiteAddSerializer(serializers.Serializer):
    slug = StrictSlugField(max_length=50)
    name = StrictCharField(max_length=200)


class SiteChangeSerializer(serializers.ModelSerializer):
    serializer_field_mapping = STRICT_FIELDS
    share_weight = StrictIntegerField(min_value=1, max_value=SHARE_WEIGHT_MAXIMUM, required=False)
    is_active = StrictBooleanField(required=False)

    class Meta:
        model = Site
        fields = list(SITE_FIELDS)
        extra_kwargs = {"name": {"required": False}}
