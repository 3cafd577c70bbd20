"""A certificate in files, as a mounted Secret has it: read again when it was renewed, without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

logger = logging.getLogger("kubeprobe.intake")
LOOK_SECONDS = 30.0


class Certificate:
    """Keeps a TLS context in step with its files; `run` it.

    Args:
        certificate: the chain, as PEM.
        key: its private key, as PEM.

    Raises:
        OSError: the files cannot be read, or are no certificate with its key; it names them.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._read = b""
        self.look()

    def look(self) -> bool:
        """Read the files, if they are others than those that were read; connections that there are stay as they are.

        Raises:
            OSError: see above; what was read before stays in use.
        """
        found = b"\0".join(file.read_bytes() for file in self._files)
        if found == self._read:
            return False
        try:
            # A pair that does not fit together, as while it is being renewed, must not end up in what is in use.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except ssl.SSLError as error:
            certificate, key = self._files
            raise OSError(f"{certificate} and {key} are no certificate with its key: {error}") from error
        self._read = found
        return True

    async def run(self) -> None:
        """Look now and then, for ever."""
        failed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self.look():
                    logger.info("the certificate %s was renewed", self._files[0])
                failed = False
            except OSError as error:
                if not failed:
                    logger.warning("the certificate cannot be read, the last one stays: %s", error)
                failed = True
