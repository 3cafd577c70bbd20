"""A real Kubernetes on one Linux machine without Docker, to test and break."""

from testbed.cluster import Testbed
from testbed.errors import TestbedError
from testbed.etcdclient import EtcdClientFiles
from testbed.standalone import ControlPlane

__all__ = ["ControlPlane", "EtcdClientFiles", "Testbed", "TestbedError"]
