"""How a run begins, whoever asks for it: a schedule, a change or a gate. Its name says for what, so it begins once."""

from __future__ import annotations

from kubeprobe.api import ProbeConfig, ProbeRun
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.refusals import Refusals
from kubeprobe.kube.port import RUNS, ApiError, Object
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.due import changes_of


async def start_run(context: Context, config: ProbeConfig, manifest: Object, refusals: Refusals) -> ProbeRun | None:
    """Create a run of a config.

    Args:
        context: the operator's parts.
        config: what is to run.
        manifest: the run.
        refusals: what those who ask for it know of refusals; told of this one.

    Returns:
        The new run; None when it is there already, or when there is no place for it any more.

    Raises:
        ApiError: the API server refused it. What it has against it, such as a quota or a webhook, is told in an Event
            on the config, where that is new: it is its user's to mend.
    """
    namespace, name = config.metadata.namespace, manifest["metadata"]["name"]
    key = (namespace, config.metadata.name)
    try:
        # The watch may tell of the run before its creation is answered; then it would be taken for somebody else's.
        async with context.queue.exclusive((Kind.RUN, (namespace, name))):
            created = await context.writer.create(Priority.RUN, RUNS, namespace, manifest)
            run = ProbeRun.model_validate(created)
            context.views.runs.put(run)
            context.vouched.add(run.metadata.uid)
    except ApiError as error:
        if error.already_exists or error.namespace_terminating or error.not_found:
            refusals.forget(key)
            return None
        words = f"its run was not created: {error}"
        if error.refused and refusals.add(key, words):
            context.recorder.record(config, "RunRefused", words, warning=True)
        raise
    refusals.forget(key)
    context.queue.add((Kind.RUN, (namespace, name)))
    for change in changes_of(run):
        context.queue.add((Kind.CHANGE, ("", change)))
    return run
