"""What the API server is asked about callers, and what is made of its answers."""

from __future__ import annotations

from typing import Any

from kubeprobe.kube.port import Object, Resource
from kubeprobe.kube.reviews import Caller, ClusterReviews


class Answers:
    """An API that answers each creation with a status."""

    def __init__(self, status: Any) -> None:
        self.status = status
        self.asked: list[tuple[str, Object]] = []

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        self.asked.append((resource.path(namespace), body))
        return {**body, "status": self.status} if self.status is not None else body


def reviews(answers: Any) -> ClusterReviews:
    return ClusterReviews(answers)


async def test_a_token_is_reviewed() -> None:
    user = {"username": "ci", "uid": "u1", "groups": ["g"], "extra": {"k": ["v"]}}
    answers = Answers({"authenticated": True, "user": user})
    assert await reviews(answers).who("t") == Caller("ci", "u1", ("g",), {"k": ["v"]})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "t"}}
    assert answers.asked == [("/apis/authentication.k8s.io/v1/tokenreviews", body)]


async def test_one_that_is_not_known_is_nobodys() -> None:
    for status in ({"authenticated": False, "error": "expired"}, {}, None):
        assert await reviews(Answers(status)).who("t") is None


async def test_a_right_is_the_callers_with_all_that_is_known_of_them() -> None:
    answers = Answers({"allowed": True})
    assert await reviews(answers).may(Caller("ci", "u1", ("g",), {"k": ["v"]}), "get", "prod")
    path, body = answers.asked[0]
    assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert body["spec"] == {
        "user": "ci",
        "uid": "u1",
        "groups": ["g"],
        "extra": {"k": ["v"]},
        "resourceAttributes": {"group": "kubeprobe.io", "resource": "changegates", "verb": "get", "name": "prod"},
    }


async def test_what_is_not_said_to_be_allowed_is_not() -> None:
    for status in ({"allowed": False}, {"evaluationError": "no"}, None):
        assert not await reviews(Answers(status)).may(Caller("ci"), "list", "")
