"""What holds for the manifests of every case, for the tests of single cases to ask."""

from pathlib import Path
from typing import Any

import yaml

from kubeprobe.api.check import check_object
from kubeprobe.plan.params import check_params
from probe_sdk import Probe, ProbeFailure
from probe_sdk.arguments import checked

PROBES = Path(__file__).parents[3] / "probes"


def documents(case: str, file: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((PROBES / case / file).read_text()) if one]


FOUND = {"$(ADDRESS)": "10.0.0.1", "$(HOST)": "10.0.0.1", "$(SCHEME)": "http"}


def told(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of each of a config's targets; of those that are found, as they might be."""
    shared, resident = spec.get("params", {}), spec.get("resident", {})
    targets = resident.get("targets", {"static": [{}]})
    written = [{**shared, **one.get("params", {})} for one in targets.get("static", [])]
    return written + [{**shared, **filled(one.get("params", {}))} for one in targets.get("discover", [])]


def filled(value: Any) -> Any:
    """Parameters with something in place of what an object would tell."""
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    if value == "$(PORT)":
        return 8080
    if isinstance(value, str):
        for placeholder, text in {**FOUND, "$(PORT)": "8080"}.items():
            value = value.replace(placeholder, text)
    return value


def accepted(probe: Probe[Any], params: dict[str, Any]) -> list[str]:
    """What the code says to such parameters."""
    try:
        checked(probe._model, params)
    except ProbeFailure as wrong:
        return list(wrong.errors)
    return []


def problems(case: str, probe: Probe[Any]) -> list[str]:
    """Whatever is wrong with a case's template and example, and where they and its code disagree."""
    (template,) = documents(case, "template.yaml")
    configs = [one for one in documents(case, "config.yaml") if one["kind"] == "ProbeConfig"]
    found = [str(problem) for one in (template, *configs) for problem in check_object(one).problems]
    for config in configs:
        for params in told(config["spec"]):
            found += check_params(template["spec"]["params"], params).errors
            found += accepted(probe, params)
    if template["spec"]["params"] != probe.json_schema():
        found.append(f"template.yaml: params differ from the code's: {probe.json_schema()}")
    if template["spec"]["command"] != ["python", "-m", f"{case}.probe"]:
        found.append(f"template.yaml: command is {template['spec']['command']}")
    accounts = [one["metadata"]["name"] for one in documents(case, "rbac.yaml") if one["kind"] == "ServiceAccount"]
    if template["spec"]["serviceAccountName"] not in accounts:
        found.append("rbac.yaml: the template's service account is missing")
    return found
