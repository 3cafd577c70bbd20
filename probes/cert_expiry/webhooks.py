"""The authorities that the API server trusts when it calls webhooks and aggregated APIs."""

from base64 import b64decode
from collections.abc import AsyncIterator, Iterator

from cert_expiry.certificates import Presented, Source, UnreadableError, parse
from cluster.api import Api, Resource
from cluster.words import Object
from probe_sdk import step

PAGE = 25
"""Few at a time: a cluster's CustomResourceDefinitions together are large."""
KINDS = {
    "ValidatingWebhookConfiguration": Resource(
        "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", namespaced=False
    ),
    "MutatingWebhookConfiguration": Resource(
        "admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", namespaced=False
    ),
    "CustomResourceDefinition": Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
    "APIService": Resource("apiregistration.k8s.io/v1", "apiservices", namespaced=False),
}


async def read_kind(api: Api, kind: str) -> list[Source]:
    """Every bundle of one kind of object."""
    with step("webhooks"):
        return [source async for item in _pages(api, KINDS[kind]) for source in read(kind, item)]


async def _pages(api: Api, resource: Resource) -> AsyncIterator[Object]:
    query = {"limit": str(PAGE)}
    while True:
        page = await api.request("GET", resource.path(), query=query)
        for item in page.get("items") or ():
            yield item
        if not (token := page["metadata"].get("continue")):
            return
        query = {"limit": str(PAGE), "continue": token}


def read(kind: str, item: Object) -> Iterator[Source]:
    """One object's bundles, each once with all the webhooks that use it; empty ones mean the host's own roots."""
    users: dict[str, list[str]] = {}
    for name, bundle in _bundles(kind, item):
        users.setdefault(bundle, []).append(name)
    for bundle, names in users.items():
        where = f"{kind} {item['metadata']['name']}{_listed(names)}: caBundle"
        try:
            yield Source((Presented(where, parse(b64decode(bundle)), bundle=True),))
        except UnreadableError as error:
            yield Source(problems=(f"{where} is unparsable: {error}; look at what injects it",))


def _bundles(kind: str, item: Object) -> Iterator[tuple[str, str]]:
    """The name of each user of a bundle within the object, and the bundle."""
    if kind == "CustomResourceDefinition":
        conversion = (item["spec"].get("conversion") or {}).get("webhook") or {}
        found = [("conversion", conversion.get("clientConfig") or {})]
    elif kind == "APIService":
        found = [("", item["spec"])]
    else:
        found = [(str(hook["name"]), hook.get("clientConfig") or {}) for hook in item.get("webhooks") or ()]
    return ((name, config["caBundle"]) for name, config in found if config.get("caBundle"))


def _listed(names: list[str]) -> str:
    named = [name for name in names if name]
    if not named:
        return ""
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f", webhook{'s' if len(named) > 1 else ''} {', '.join(named[:3])}{more}"
