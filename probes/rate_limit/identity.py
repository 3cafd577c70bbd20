"""The burst's own identity: a service account that exists for nothing else, and that a FlowSchema can name."""

from dataclasses import replace

from cluster.api import NOT_FOUND, Api, Resource
from cluster.config import ApiConfig
from cluster.errors import ApiError
from probe_sdk import ProbeFailure

SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts")
TOKEN_SECONDS = 600
"""The shortest life that the API gives a token."""


async def become(api: Api, namespace: str, account: str) -> ApiConfig:
    """The way to the API as that account, and as nobody else."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    try:
        answer = await api.request("POST", SERVICE_ACCOUNTS.path(namespace, account, "token"), body=request)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise ProbeFailure(
            f"service account {namespace}/{account} for the burst does not exist: apply the case's rbac.yaml, or "
            "set burstServiceAccount"
        ) from None
    token = str(answer["status"]["token"])
    return replace(api.config, token=token, token_file=None, certificate_pem=None, key_pem=None)
