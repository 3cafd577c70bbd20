"""Which chains hold, and which link of the others is told as broken."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.unit.probes.cert_expiry.pki import Minted, mint

from cert_expiry.chain import broken

NOW = dt.datetime(2026, 5, 1, 12, 0, tzinfo=dt.UTC)
ROOT = mint("root", now=NOW, authority=True)
MIDDLE = mint("middle", ROOT, now=NOW, authority=True)
LEAF = mint("web", MIDDLE, now=NOW, names=["web"])


def of(*chain: Minted, roots: tuple[Minted, ...] | None = (ROOT,)) -> str | None:
    trusted = None if roots is None else [each.certificate for each in roots]
    return broken([each.certificate for each in chain], trusted, NOW)


def test_a_whole_chain_holds_with_and_without_the_root_in_any_order() -> None:
    assert of(LEAF, MIDDLE) is None
    assert of(LEAF, MIDDLE, ROOT) is None
    assert of(LEAF, ROOT, MIDDLE) is None
    assert of(mint("direct", ROOT, now=NOW)) is None


def test_a_leaf_without_its_intermediate() -> None:
    why = of(LEAF) or ""
    assert "CN=middle, is neither presented (only 1 certificate) nor trusted: the intermediate is missing" in why


def test_a_root_of_the_same_name_with_another_key() -> None:
    again = mint("root", now=NOW, authority=True)
    why = of(LEAF, MIDDLE, roots=(again,)) or ""
    assert "CN=middle (serial c0ffee) is not signed by the trusted CN=root although it names it" in why


def test_self_signed_is_trusted_only_by_itself() -> None:
    own = mint("own", now=NOW, names=["own"])
    assert "is self-signed and not among the trusted roots" in (of(own) or "")
    assert of(own, roots=(own,)) is None


def test_no_roots_at_all() -> None:
    assert of(LEAF, roots=()) == "there is no certificate to verify it against"


def test_without_anybody_to_lead_to_the_links_still_count() -> None:
    assert of(LEAF, MIDDLE, roots=None) is None
    assert of(LEAF, roots=None) is None
    assert "is followed by CN=root (serial c0ffee), which has not signed it" in (of(LEAF, ROOT, roots=None) or "")


def test_an_expired_authority_is_named() -> None:
    old = mint("old", ROOT, now=NOW, authority=True, left_days=-1)
    why = of(mint("web", old, now=NOW), old) or ""
    assert "CN=old (serial c0ffee) above it is not valid any more" in why


def test_an_expired_leaf_has_a_chain_that_holds() -> None:
    assert of(mint("web", ROOT, now=NOW, left_days=-5)) is None


def test_a_leaf_that_signs_is_no_authority() -> None:
    fake = mint("fake", ROOT, now=NOW)
    assert of(mint("web", fake, now=NOW), fake) is not None


def test_keys_that_only_the_public_web_refuses_hold() -> None:
    root = mint("root", now=NOW, authority=True, key=ed25519.Ed25519PrivateKey.generate())
    leaf = mint("web", root, now=NOW, key=ed25519.Ed25519PrivateKey.generate())
    assert of(leaf, roots=(root,)) is None
    assert of(leaf, roots=(ROOT,)) is not None


def test_the_same_issuer_twice_does_not_go_round_in_circles() -> None:
    first = mint("a", now=NOW, authority=True)
    second = mint("b", first, now=NOW, authority=True)
    assert isinstance(second.certificate, x509.Certificate)
    assert of(second, second, first) is not None
