"""The shapes of monitoring as the OpenAPI document tells them."""

from __future__ import annotations

from rest_framework import serializers


class PercentilesSerializer(serializers.Serializer):
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class TotalsSerializer(serializers.Serializer):
    """Durations in seconds; `suspicion` counts results in twenty bins of [0, 1]."""

    jobs = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    failure_share = serializers.FloatField(allow_null=True)
    failures = serializers.DictField(child=serializers.IntegerField())
    labels = serializers.DictField(child=serializers.IntegerField())
    not_assessable_share = serializers.FloatField(allow_null=True)
    latency = PercentilesSerializer()
    waiting = PercentilesSerializer()
    suspicion = serializers.ListField(child=serializers.IntegerField())


class DriftSerializer(serializers.Serializer):
    """Population stability index against the reference: below .1 stable, from .25 shifted; null with too few cases."""

    psi = serializers.FloatField(allow_null=True)
    band = serializers.ChoiceField(choices=["too_few_cases", "stable", "watch", "shifted"])
    cases = serializers.IntegerField()
    needed = serializers.IntegerField()


class DriftsSerializer(serializers.Serializer):
    suspicion = DriftSerializer()
    brightness = DriftSerializer()
    manufacturer = DriftSerializer()
    size = DriftSerializer()


class ReferenceDistributionSerializer(serializers.Serializer):
    """package: what the package brings. first_results: its first results on this deployment."""

    suspicion = serializers.ListField(child=serializers.IntegerField())
    brightness = serializers.ListField(child=serializers.IntegerField())
    cases = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `source`, a name that DRF's fields keep for themselves."""
        return {**super().get_fields(), "source": serializers.ChoiceField(choices=["package", "first_results"])}


class PointSerializer(TotalsSerializer):
    at = serializers.DateTimeField()


class PackageTotalsSerializer(TotalsSerializer):
    package = serializers.CharField()


class SeriesSerializer(serializers.Serializer):
    deployment = serializers.CharField()
    package = serializers.CharField()
    window = serializers.CharField()
    to = serializers.DateTimeField()
    step_seconds = serializers.IntegerField()
    totals = TotalsSerializer()
    drift = DriftsSerializer()
    reference = ReferenceDistributionSerializer()
    points = PointSerializer(many=True)
    packages = PackageTotalsSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `from`, which Python does not take as a name."""
        return {**super().get_fields(), "from": serializers.DateTimeField()}


class AlertSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    metric = serializers.CharField()
    message = serializers.CharField()
    deployment = serializers.CharField(allow_null=True)
    site = serializers.CharField(allow_null=True)
    package = serializers.CharField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    raised_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(allow_null=True)


class AlertsSerializer(serializers.Serializer):
    results = AlertSerializer(many=True)
