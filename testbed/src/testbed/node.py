"""What runs on a node: container runtime, kubelet, kube-proxy, and the files they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from testbed.controlplane import Plane
from testbed.layout import CLUSTER_DOMAIN, DNS_ADDRESS, POD_RANGE, REGISTRY, Layout, Node
from testbed.machine import write_if_new
from testbed.pki import KeyPair
from testbed.process import ProcessSpec
from testbed.sandbox import SANDBOX_IMAGE

CONTAINERD = "containerd"
KUBELET = "kubelet"
KUBE_PROXY = "kube-proxy"
HOST_KUBE_PROXY = "host/kube-proxy"

_CONTAINERD = """\
version = 2
root = "{root}/containerd"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{root}/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{run}/runc"
"""


def write_files(node: Node, layout: Layout, plane: Plane) -> None:
    """Everything that the node's programs read at their start."""
    for folder in (node.root, node.run, node.cni_config.parent, node.root / "registries" / REGISTRY):
        folder.mkdir(parents=True, exist_ok=True)
    text = _CONTAINERD.format(
        root=node.root, run=node.run, socket=node.socket, cni=node.cni_config.parent, sandbox_image=SANDBOX_IMAGE
    )
    (node.root / "containerd.toml").write_text(text)
    hosts = f'[host."http://{REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n'
    (node.root / "registries" / REGISTRY / "hosts.toml").write_text(hosts)
    write_cni_config(node)
    serving = KeyPair.at(plane.pki / "nodes", node.name)
    plane.authority.issue(serving, f"system:node:{node.name}", ["system:nodes"], names=[node.name, node.address])
    plane.kubeconfig(node.root / "kubelet.kubeconfig", f"system:node:{node.name}", "system:nodes")
    kubelet = kubelet_config(node, layout, plane.pki / "ca.crt", serving)
    (node.root / "kubelet.yaml").write_text(yaml.safe_dump(kubelet, sort_keys=False))


def cni_config(node: Node) -> dict[str, Any]:
    """Every pod on a cable of its own to its node, so that all its traffic is routed through kube-proxy's rules."""
    address_range = [[{"subnet": str(node.pod_range)}]]
    return {
        "cniVersion": "0.4.0",
        "name": node.cni_network,
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(node.address_leases.parent),
                    "ranges": address_range,
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def write_cni_config(node: Node) -> None:
    """Write the file anew: the runtime does not notice one that is moved in."""
    node.cni_config.write_text(json.dumps(cni_config(node), indent=1))


def kubelet_config(node: Node, layout: Layout, authority: Path, serving: KeyPair) -> dict[str, Any]:
    """The kubelet's configuration file."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.cert),
        "tlsPrivateKeyFile": str(serving.key),
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": "",
        "podLogsDir": str(node.root / "pod-logs"),
        "volumePluginDir": str(node.root / "volume-plugins"),
        "serializeImagePulls": False,
        # By default a pod's ConfigMap changes within a minute and a half: far too long to wait for, again and again.
        "syncFrequency": "10s",
        # The disk is the user's: how full it is says nothing about this node.
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
    }


def containerd(node: Node) -> ProcessSpec:
    """The container runtime; what it runs lives on when it stops."""
    argv = ("containerd", "--config", str(node.root / "containerd.toml"))
    return ProcessSpec(node.component(CONTAINERD), argv, netns=node.netns)


def kubelet(node: Node, layout: Layout) -> ProcessSpec:
    """The node's agent."""
    argv = (
        str(layout.bin / "kubelet"),
        f"--config={node.root / 'kubelet.yaml'}",
        f"--kubeconfig={node.root / 'kubelet.kubeconfig'}",
        f"--root-dir={node.kubelet_root}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    )
    return ProcessSpec(node.component(KUBELET), argv, netns=node.netns)


def kube_proxy(name: str, node: Node, layout: Layout, plane: Plane, *, on_host: bool = False) -> ProcessSpec:
    """A node's service rules, or (with `on_host`) the host's, which the API server and development need."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {
            "kubeconfig": str(plane.kubeconfig(layout.config / "kube-proxy.kubeconfig", "system:kube-proxy"))
        },
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": node.name,
        "healthzBindAddress": "10.200.0.1:10256" if on_host else f"{node.address}:10256",
        "metricsBindAddress": "10.200.0.1:10249" if on_host else "127.0.0.1:10249",
        # Connection tracking is the whole machine's: leave it as it is.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    path = layout.config / f"{name.replace('/', '_')}.yaml"
    write_if_new(path, yaml.safe_dump(config, sort_keys=False))
    argv = (str(layout.bin / "kube-proxy"), f"--config={path}")
    return ProcessSpec(name, argv, netns="" if on_host else node.netns)
