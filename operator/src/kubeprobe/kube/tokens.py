"""The keys that the cluster signs service account tokens with, so that the intake can check a token by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubeprobe.kube.port import Api


class ClusterKeys:
    """The API server's OpenID documents. Every method raises `ApiError`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def jwks(self) -> Mapping[str, Any]:
        """The JSON Web Key Set of the cluster's token signers."""
        return await self._api.raw("/openid/v1/jwks")

    async def issuer(self) -> str:
        """The `iss` of every service account token of this cluster."""
        document = await self._api.raw("/.well-known/openid-configuration")
        return str(document["issuer"])
