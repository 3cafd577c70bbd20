"""ProbeTemplate: say on the object itself whether it can be used."""

from __future__ import annotations

from kubeprobe.api import ProbeTemplate
from kubeprobe.control.again import look_again_after
from kubeprobe.control.context import Context
from kubeprobe.control.view import Key
from kubeprobe.kube.port import TEMPLATES, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.template import plan_template


class TemplateReconciler:
    """Keeps one template's Ready condition."""

    def __init__(self, context: Context) -> None:
        self._ctx = context

    async def reconcile(self, key: Key) -> None:
        """Write the condition if it is another one. Raises `ApiError` when the write failed."""
        template = self._ctx.views.templates.get(key)
        if template is None:
            return
        plan = plan_template(template, self._ctx.now())
        if plan.conditions is None:
            return
        status = {
            "observedGeneration": template.metadata.generation,
            "conditions": [one.model_dump(by_alias=True, exclude_none=True, mode="json") for one in plan.conditions],
        }
        body = {"metadata": {"resourceVersion": template.metadata.resource_version}, "status": status}
        try:
            answer = await self._ctx.writer.merge_patch(
                Priority.HISTORY, TEMPLATES, None, key[1], body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, TEMPLATES, key)
            raise
        self._ctx.views.templates.put(ProbeTemplate.model_validate(answer))
        if plan.mistake is not None:
            self._ctx.recorder.record(template, plan.mistake.reason, plan.mistake.message, warning=True)
