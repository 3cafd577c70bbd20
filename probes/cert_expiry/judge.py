"""From certificates to findings, the most urgent first. Pure; the time is handed in."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

from cryptography import x509

from cert_expiry.certificates import (
    Presented,
    days_left,
    describe,
    issued_by_itself,
    lifetime_days,
    longest,
    share_left,
    subject,
)
from cert_expiry.chain import broken
from cert_expiry.hosts import is_for, names

MAX_NAMES = 5


@dataclass(frozen=True)
class Limits:
    """How much has to be left; the first that is undercut counts. Zero is no limit."""

    min_days: float
    min_share: float


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong, and how many days are left to mend it (negative: none since then)."""

    days_left: float
    text: str


def judge(found: Iterable[Presented], limits: Limits, now: dt.datetime) -> list[Finding]:
    """All findings, each once, the most urgent first."""
    return sorted({finding for presented in found for finding in _of(presented, limits, now)})


def next_expiry(found: Iterable[Presented], now: dt.datetime) -> str:
    """The certificate that expires first of all that count."""
    counting = [certificate for presented in found for certificate in _counting(presented)]
    first = min(counting, key=lambda certificate: certificate.not_valid_after_utc)
    return f"{describe(first)} in {days_left(first, now):.1f} days"


def _counting(presented: Presented) -> tuple[x509.Certificate, ...]:
    """Of a bundle the last to expire, since one good authority is enough; of a chain all but a root sent along."""
    if presented.bundle:
        return (longest(presented.chain),)
    leaf, *others = presented.chain
    return (leaf, *(certificate for certificate in others if not issued_by_itself(certificate)))


def _of(presented: Presented, limits: Limits, now: dt.datetime) -> Iterator[Finding]:
    for certificate in _counting(presented):
        if words := _lifetime(certificate, limits, now):
            which = f"certificate {describe(certificate)}, issued by {subject(certificate.issuer)}"
            yield Finding(days_left(certificate, now), f"{presented.where}: {which}, {words}")
    if presented.bundle:
        return
    leaf = presented.chain[0]
    if presented.host and not is_for(leaf, presented.host):
        yield Finding(0, _wrong_host(presented.where, leaf, presented.host))
    if why := broken(presented.chain, presented.roots, now):
        yield Finding(0, f"{presented.where}: broken chain: {why}; certificate {describe(leaf)} {expiry(leaf, now)}")


def _lifetime(certificate: x509.Certificate, limits: Limits, now: dt.datetime) -> str:
    """What is wrong with its time; empty where nothing is."""
    if now < certificate.not_valid_before_utc:
        wait = (certificate.not_valid_before_utc - now).total_seconds() / 86400
        start = when(certificate.not_valid_before_utc)
        return f"is not valid before {start}, in {wait:.1f} days; look at the clocks of who issued it and of this node"
    if now > certificate.not_valid_after_utc:
        return f"has expired on {when(certificate.not_valid_after_utc)}, {-days_left(certificate, now):.1f} days ago"
    undercut = list(_undercut(certificate, limits, now))
    return f"{expiry(certificate, now)}: {' and '.join(undercut)}" if undercut else ""


def _undercut(certificate: x509.Certificate, limits: Limits, now: dt.datetime) -> Iterator[str]:
    left, share = days_left(certificate, now), share_left(certificate, now)
    if left < (limits.min_days or -inf):
        yield f"less than minDays {limits.min_days:g}"
    if share < limits.min_share:
        whole = lifetime_days(certificate)
        yield f"{share:.1%} of its {whole:.1f} days, less than minLifetimeShare {limits.min_share:g}"


def _wrong_host(where: str, leaf: x509.Certificate, host: str) -> str:
    known = names(leaf)
    more = f" and {len(known) - MAX_NAMES} more" if len(known) > MAX_NAMES else ""
    listed = f"for {', '.join(known[:MAX_NAMES])}{more}" if known else "without any alternative name"
    return f"{where}: wrong host: certificate {describe(leaf)} is {listed}, not for {host}"


def expiry(certificate: x509.Certificate, now: dt.datetime) -> str:
    """When it expires and how long that is."""
    return f"expires on {when(certificate.not_valid_after_utc)}, {days_left(certificate, now):.1f} days left"


def when(moment: dt.datetime) -> str:
    """A time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
