"""Is a certificate for this host: by its alternative names, as clients match them. Pure."""

import ipaddress

from cryptography import x509


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that a certificate is for."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = alternative.get_values_for_type(x509.IPAddress)
    return (*alternative.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether clients that ask for this host accept the certificate; a common name counts for nothing today."""
    try:
        wanted = str(ipaddress.ip_address(host))
    except ValueError:
        return any(_matches(pattern.lower(), host.lower().rstrip(".")) for pattern in names(certificate))
    return wanted in names(certificate)


def _matches(pattern: str, host: str) -> bool:
    """A star stands for exactly one first label."""
    if pattern.startswith("*."):
        first, dot, rest = host.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return pattern == host
