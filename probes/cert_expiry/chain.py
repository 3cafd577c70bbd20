"""Would a client accept this chain: does every certificate lead to the next, and the last to a trusted root. Pure.

The judge is cryptography's path validation with the extensions of the public web made optional, since a cluster's own
authorities leave many of them out and the clients don't mind. It does not say which link is broken, so a walk by
names and signatures does.
"""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from cert_expiry.certificates import describe, issued_by_itself, subject

Certificates = Sequence[x509.Certificate]


def broken(chain: Certificates, roots: Certificates | None, now: dt.datetime) -> str | None:
    """What is wrong with a chain, leaf first; None when it holds.

    Without roots only the links that are there are checked. Validity in time is judged elsewhere: the leaf is looked
    at in a moment when it is valid.
    """
    if roots is None:
        return _first_bad_link(chain)
    if not roots:
        return "there is no certificate to verify it against"
    leaf, *others = chain
    moment = min(max(now, leaf.not_valid_before_utc), leaf.not_valid_after_utc)
    try:
        _verifier(roots, moment).verify(leaf, others)
    except VerificationError as error:
        why = explain(chain, roots) or _outdated([*others, *roots], moment)
        return why or (None if _only_unusual(chain, roots, error) else str(error))
    return None


def _outdated(authorities: Certificates, moment: dt.datetime) -> str | None:
    for authority in authorities:
        if not authority.not_valid_before_utc <= moment <= authority.not_valid_after_utc:
            return f"the authority {describe(authority)} above it is not valid any more, or not yet"
    return None


def _verifier(roots: Certificates, moment: dt.datetime) -> ClientVerifier:
    lenient = ExtensionPolicy.permit_all()
    authorities = lenient.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    builder = PolicyBuilder().store(Store(list(roots))).time(moment)
    return builder.extension_policies(ca_policy=authorities, ee_policy=lenient).build_client_verifier()


def _only_unusual(chain: Certificates, roots: Certificates, error: VerificationError) -> bool:
    """Ed25519 is not of the public web, and so not of the judge's, but Kubernetes takes it."""
    keys = (certificate.public_key() for certificate in (*chain, *roots))
    return "Forbidden" in str(error) and any(isinstance(key, Ed25519PublicKey) for key in keys)


def explain(chain: Certificates, roots: Certificates) -> str | None:
    """The first link that does not hold on the way from the leaf to a root; None when all do."""
    current, rest = chain[0], list(chain[1:])
    while True:
        named = [root for root in roots if root.subject == current.issuer]
        if any(signed(current, root) for root in named) or current in roots:
            return None
        step = next((other for other in rest if other.subject == current.issuer and signed(current, other)), None)
        if step is None:
            return _missing(current, named, len(chain))
        rest.remove(step)
        current = step


def _missing(current: x509.Certificate, named: Certificates, presented: int) -> str:
    if issued_by_itself(current):
        return f"{describe(current)} is self-signed and not among the trusted roots"
    if named:
        return (
            f"{describe(current)} is not signed by the trusted {subject(current.issuer)} although it names it: "
            "that CA was made anew, or one of the two is of another cluster"
        )
    return (
        f"the issuer of {describe(current)}, {subject(current.issuer)}, is neither presented (only {presented} "
        f"certificate{'s' if presented > 1 else ''}) nor trusted: the intermediate is missing, or it is another CA's"
    )


def _first_bad_link(chain: Certificates) -> str | None:
    for below, above in pairwise(chain):
        if not signed(below, above):
            return f"{describe(below)} is followed by {describe(above)}, which has not signed it"
    return None


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one certificate was issued by the other, by name and by signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
