# Two images from one file: `--target operator` and `--target probes`.
# The base is an argument, so that a cluster without a way to a public registry builds from its own Python image.
ARG BASE=python:3.12-slim

# Bytecode is written for what is imported, not for everything that is installed: of the Kubernetes client's thousands of
# modules the operator imports a part, and its bytecode would be as large as all the rest of the image. Nothing needs
# pip any more once everything is installed.
FROM ${BASE} AS build
RUN python3 -m venv /opt/kubeprobe
ENV PATH=/opt/kubeprobe/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/ requirements/
COPY probe_sdk/ probe_sdk/

FROM build AS build-operator
RUN pip install --require-hashes --no-deps -r requirements/operator.txt
COPY operator/ operator/
RUN pip install --no-deps ./probe_sdk ./operator \
 && python -c "import kubeprobe.cli.main, kubeprobe.control.operator" \
 && pip uninstall --yes pip

FROM build AS build-probes
RUN pip install --require-hashes --no-deps -r requirements/probes.txt
COPY probes/ probes/
RUN pip install --no-deps ./probe_sdk ./probes \
 && python -c "import pod_lifecycle.probe, deployment_lifecycle.probe, etcd_crud.probe, cert_expiry.probe, rate_limit.probe" \
 && python -c "import http_endpoint.probe, tcp_endpoint.probe, dns_lookup.probe, grpc_endpoint.probe, apiserver.probe" \
 && python -c "import probe_sdk.resident.driver, probe_sdk.resident.service" \
 && pip uninstall --yes pip

FROM ${BASE} AS operator
COPY --from=build-operator /opt/kubeprobe /opt/kubeprobe
ENV PATH=/opt/kubeprobe/bin:$PATH PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
USER 65532:65532
ENTRYPOINT ["kubeprobe"]
CMD ["operator"]

FROM ${BASE} AS probes
COPY --from=build-probes /opt/kubeprobe /opt/kubeprobe
ENV PATH=/opt/kubeprobe/bin:$PATH PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
CMD ["python", "-c", "raise SystemExit('name a case: python -m pod_lifecycle.probe')"]
