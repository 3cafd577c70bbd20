"""Every kind of bad health is found, told with place, certificate, time and limit, and the most urgent comes first."""

import datetime as dt

import pytest
from tests.unit.probes.cert_expiry.pki import Minted, mint

from cert_expiry.certificates import Presented
from cert_expiry.judge import Limits, judge, next_expiry

NOW = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.UTC)
LIMITS = Limits(min_days=14, min_share=0.1)
NONE = Limits(0, 0)
ROOT = mint("root", now=NOW, authority=True, left_days=3000)


def texts(*presented: Presented, limits: Limits = LIMITS) -> list[str]:
    return [finding.text for finding in judge(presented, limits, NOW)]


def alone(minted: Minted, *, host: str | None = None) -> Presented:
    return Presented("Secret shop/web", (minted.certificate,), host=host)


def test_a_healthy_certificate_is_no_finding() -> None:
    leaf = mint("web", ROOT, now=NOW, names=["web.example.org"])
    presented = Presented("here", (leaf.certificate,), (ROOT.certificate,), host="web.example.org")
    assert texts(presented) == []


def test_tomorrow_is_told_with_place_subject_serial_date_and_days() -> None:
    (text,) = texts(alone(mint("web", ROOT, now=NOW, since_days=1, left_days=1)))
    assert text == (
        "Secret shop/web: certificate CN=web (serial c0ffee), issued by CN=root, expires on 2026-05-02 12:00 UTC, "
        "1.0 days left: less than minDays 14"
    )


@pytest.mark.parametrize(
    ("since", "left", "words"),
    [
        (300, 13.9, ["less than minDays 14", "less than minLifetimeShare 0.1"]),
        (50, 13.9, ["less than minDays 14"]),
        (900, 90, ["9.1% of its 990.0 days, less than minLifetimeShare 0.1"]),
        (126.1, 14.1, []),
        (0, 0.5, ["less than minDays 14"]),
    ],
)
def test_either_limit_trips(since: float, left: float, words: list[str]) -> None:
    found = texts(alone(mint("web", now=NOW, since_days=since, left_days=left)))
    assert bool(found) == bool(words)
    assert all(each in found[0] for each in words)


def test_zero_is_no_limit() -> None:
    assert texts(alone(mint("web", now=NOW, left_days=0.1)), limits=NONE) == []


def test_the_past_and_the_future_are_told_without_limits() -> None:
    (past,) = texts(alone(mint("web", now=NOW, left_days=-2)), limits=NONE)
    assert "has expired on 2026-04-29 12:00 UTC, 2.0 days ago" in past
    (future,) = texts(alone(mint("web", now=NOW, since_days=-1)), limits=NONE)
    assert "is not valid before 2026-05-02 12:00 UTC, in 1.0 days" in future


def test_the_most_urgent_comes_first_and_each_once() -> None:
    soon, gone = (alone(mint(name, now=NOW, left_days=days)) for name, days in (("soon", 3), ("gone", -1)))
    found = texts(soon, gone, soon)
    assert ["CN=gone" in found[0], "CN=soon" in found[1], len(found)] == [True, True, 2]


def test_wrong_host_names_both_sides() -> None:
    names = ["a.example.org", "10.0.0.1", *(f"{i}.example.org" for i in range(5))]
    (text,) = texts(alone(mint("web", now=NOW, names=names), host="b.example.org"))
    assert "wrong host: certificate CN=web" in text
    assert "and 2 more, not for b.example.org" in text
    (text,) = texts(alone(mint("web", now=NOW), host="web"))
    assert "without any alternative name, not for web" in text


def test_expired_and_wrong_host_and_broken_are_three_findings() -> None:
    other = mint("other", now=NOW, authority=True)
    leaf = mint("web", ROOT, now=NOW, left_days=-1, names=["a"])
    found = texts(Presented("here", (leaf.certificate,), (other.certificate,), host="b"))
    assert [word in "\n".join(found) for word in ("has expired", "wrong host", "broken chain")] == [True, True, True]


def test_an_intermediate_counts_and_a_root_sent_along_does_not() -> None:
    root = mint("root", now=NOW, authority=True, left_days=5)
    middle = mint("middle", root, now=NOW, authority=True, left_days=5)
    leaf = mint("web", middle, now=NOW)
    chain = tuple(each.certificate for each in (leaf, middle, root))
    (text,) = texts(Presented("here", chain))
    assert "CN=middle" in text


def test_of_a_bundle_only_the_last_to_expire_counts() -> None:
    old, new = mint("old", now=NOW, left_days=-1), mint("new", now=NOW, left_days=100)
    assert texts(Presented("bundle", (old.certificate, new.certificate), bundle=True)) == []
    (text,) = texts(Presented("bundle", (old.certificate,), bundle=True))
    assert "bundle: certificate CN=old" in text


def test_the_next_expiry_is_told() -> None:
    presented = [alone(mint("a", now=NOW, left_days=50)), alone(mint("b", now=NOW, left_days=20))]
    assert next_expiry(presented, NOW) == "CN=b (serial c0ffee) in 20.0 days"
