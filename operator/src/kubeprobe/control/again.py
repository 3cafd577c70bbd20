"""A look at an object itself where the view of it is behind: rare, and the only way to go on at once."""

from __future__ import annotations

from kubeprobe.api import Change, ChangeGate, ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.control.context import Context
from kubeprobe.control.view import Key, read_namespace, read_result
from kubeprobe.kube.port import CHANGES, CONFIGS, GATES, NAMESPACES, PODS, RESULTS, RUNS, TEMPLATES, ApiError, Resource
from kubeprobe.plan.pod_view import PodView, read_pod


async def look_again(context: Context, resource: Resource, key: Key) -> bool:
    """Put an object of ours into its view as it is now; False when it is gone, which the watch will tell."""
    try:
        body = await context.api.get(resource, key[0] or None, key[1])
    except ApiError as error:
        if error.not_found:
            return False
        raise
    views = context.views
    match resource:
        case _ if resource == TEMPLATES:
            views.templates.put(ProbeTemplate.model_validate(body))
        case _ if resource == CONFIGS:
            views.configs.put(ProbeConfig.model_validate(body))
        case _ if resource == RUNS:
            views.runs.put(ProbeRun.model_validate(body))
        case _ if resource == GATES:
            views.gates.put(ChangeGate.model_validate(body))
        case _ if resource == RESULTS:
            views.results.put(read_result(body))
        case _ if resource == CHANGES:
            views.changes.put(Change.model_validate(body))
        case _ if resource == NAMESPACES:
            views.namespaces.put(read_namespace(body))
    return True


async def look_at_pod(context: Context, key: Key) -> PodView | None:
    """The pod as it is now: a watch that hangs must not make a silent run of one that was only not heard."""
    try:
        pod = read_pod(await context.api.get(PODS, *key))
    except ApiError as error:
        if error.not_found:
            return None
        raise
    context.views.pods.put(pod)
    return pod


async def look_again_after(error: ApiError, context: Context, resource: Resource, key: Key) -> None:
    """Look again if a write was refused because somebody else wrote the object, or created it, since it was seen."""
    if error.conflict or error.already_exists:
        await look_again(context, resource, key)
