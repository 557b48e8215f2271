"""What a site can submit to, for everyone who reads. What administrators see and change: catalog.api.deployments."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.permissions import CanRead
from catalog.selectors import deployments_visible_to
from common.conditional import conditional_response, etag_for


class DeployedPackageSerializer(serializers.Serializer):
    """The package a deployment points at now."""

    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    digest = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())


class DeploymentSerializer(serializers.Serializer):
    """A name to submit to."""

    name = serializers.CharField()
    package = DeployedPackageSerializer()


class DeploymentsSerializer(serializers.Serializer):
    results = DeploymentSerializer(many=True)


class DeploymentListView(APIView):
    """The deployments of the caller's site."""

    permission_classes = [CanRead]

    @extend_schema(operation_id="deployments_list", summary="List deployments", tags=["models"], responses=DeploymentsSerializer)
    def get(self, request: Request) -> Response:
        deployments = deployments_visible_to(user=caller(request))
        results = [
            {
                "name": deployment.name,
                "package": {
                    "name": deployment.package.name,
                    "version": deployment.package.version,
                    "title": deployment.package.manifest["title"],
                    "digest": deployment.package.digest,
                    "classes": deployment.package.manifest["classes"],
                },
            }
            for deployment in deployments
        ]
        state = [(deployment.name, deployment.package_id) for deployment in deployments]
        return conditional_response(request, etag=etag_for("deployments", state), build=lambda: {"results": results})
