"""Kubernetes' label selectors, evaluated here so that a decision needs no request."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprobe.api import LabelSelector, SelectorOperator, SelectorRequirement


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether the labels satisfy every part of the selector; an empty selector matches everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions
    )


def _meets(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    return {
        SelectorOperator.IN: value in requirement.values,
        SelectorOperator.NOT_IN: value not in requirement.values,
        SelectorOperator.EXISTS: value is not None,
        SelectorOperator.DOES_NOT_EXIST: value is None,
    }[requirement.operator]
