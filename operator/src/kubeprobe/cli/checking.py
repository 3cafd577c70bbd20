"""Objects checked together: each by itself, then against the templates that are among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubeprobe.api import LabelSelector, ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.api.check import Kind, check_object, is_ours
from kubeprobe.cli.manifests import Document
from kubeprobe.plan.found import listed_mistakes
from kubeprobe.plan.params import schema_errors
from kubeprobe.plan.resolve import Mistake, of_config, of_run, time_mistake


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one document."""

    document: Document
    errors: tuple[str, ...] = ()
    note: str = ""
    """What a reader should know although it is no mistake."""
    skipped: bool = False


def check(documents: Iterable[Document]) -> list[Finding]:
    """Check documents in their order; what is not kubeprobe's is skipped."""
    read = [(document, *_alone(document)) for document in documents]
    templates = {model.metadata.name: model for _, model, _ in read if isinstance(model, ProbeTemplate)}
    return [_together(document, model, finding, templates) for document, model, finding in read]


def _alone(document: Document) -> tuple[Kind | None, Finding]:
    body = document.body
    if not isinstance(body, dict):
        return None, Finding(document, ("must be an object with apiVersion and kind; indent it as YAML does",))
    if not is_ours(body):
        return None, Finding(document, note="not a kind of kubeprobe.io", skipped=True)
    checked = check_object(body)
    return checked.model, Finding(document, tuple(map(str, checked.problems)))


def _together(
    document: Document, model: Kind | None, alone: Finding, templates: Mapping[str, ProbeTemplate]
) -> Finding:
    """What else is wrong with an object that reads well, and what could not be looked at."""
    errors = list(alone.errors)
    if isinstance(model, ProbeTemplate):
        errors += schema_errors(model.spec.params)
    if isinstance(model, ProbeConfig) and (mistake := time_mistake(model.spec)) is not None:
        errors.append(mistake.message)
    note = alone.note
    if isinstance(model, ProbeConfig | ProbeRun) and model.spec.template_ref is not None:
        name = model.spec.template_ref.name
        if name in templates:
            errors += _against(model, templates[name])
        else:
            note = f"params not checked: ProbeTemplate {name} is not among the files"
    return Finding(document, tuple(dict.fromkeys(errors)), note, alone.skipped)


def _against(model: ProbeConfig | ProbeRun, template: ProbeTemplate) -> Iterator[str]:
    """What the operator would say; in which namespaces a template may be used is the cluster's to know."""
    spec = template.spec.model_copy(update={"allowed_namespaces": LabelSelector()})
    usable = template.model_copy(update={"spec": spec})
    found = of_config(model, usable, None) if isinstance(model, ProbeConfig) else of_run(model, None, usable, None)
    if isinstance(found, Mistake):
        yield found.message
    elif isinstance(model, ProbeConfig) and model.spec.resident is not None:
        yield from (mistake.message for mistake in listed_mistakes(model, usable))
