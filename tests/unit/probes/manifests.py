"""What holds for the manifests of every case, for the tests of single cases to ask."""

from pathlib import Path
from typing import Any

import yaml

from kubeprobe.api.check import check_object
from kubeprobe.plan.params import check_params
from probe_sdk import Probe

PROBES = Path(__file__).parents[3] / "probes"


def documents(case: str, file: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((PROBES / case / file).read_text()) if one]


def problems(case: str, probe: Probe[Any]) -> list[str]:
    """Whatever is wrong with a case's template and example, and where they and its code disagree."""
    (template,) = documents(case, "template.yaml")
    config = next(one for one in documents(case, "config.yaml") if one["kind"] == "ProbeConfig")
    found = [str(problem) for one in (template, config) for problem in check_object(one).problems]
    found += check_params(template["spec"]["params"], config["spec"].get("params", {})).errors
    if template["spec"]["params"] != probe.json_schema():
        found.append(f"template.yaml: params differ from the code's: {probe.json_schema()}")
    if template["spec"]["command"] != ["python", "-m", f"{case}.probe"]:
        found.append(f"template.yaml: command is {template['spec']['command']}")
    accounts = [one["metadata"]["name"] for one in documents(case, "rbac.yaml") if one["kind"] == "ServiceAccount"]
    if template["spec"]["serviceAccountName"] not in accounts:
        found.append("rbac.yaml: the template's service account is missing")
    return found
