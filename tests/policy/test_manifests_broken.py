"""The checks of the manifests go red: one thing is changed in one place of a copy."""

from pathlib import Path

import pytest

from changed_copy import FAILED, Change, changed_copy, run_pytest
from kustomize import need_kubectl

CHECKS = ("tests/policy/test_manifests.py", "tests/policy/test_agreement.py")


# What must fail: in a file, a text that it has once, and what takes its place.
CHANGES = {
    "test_containers_are_confined": """
        docker-compose.yml | read_only: true | privileged: true
    """,
    "test_limits_are_those_of_compose": """
        docker-compose.yml | mem_limit: 256m | mem_limit: 128m
    """,
    "test_the_scripts_know_their_namespace": """
        scripts/kubernetes.py | NAMESPACE = "small-services" | NAMESPACE = "default"
    """,
    "test_overlays_change_nothing_but_images": """
        k8s/overlays/registry/kustomization.yaml | [../../components/pdb, images] | [images]
    """,
    "test_the_client_sleeps": """
        k8s/client/client.yaml | replicas: 1 | replicas: 0
    """,
    "test_selectors_select": """
        k8s/components/pdb/pdb.yaml | name: echo} | part-of: small-services}
    """,
    "test_ports_agree": """
        k8s/base/echo.yaml | appProtocol: tcp | nodePort: 30007
        k8s/base/daytime.yaml | containerPort: 1200 | containerPort: 13
        k8s/base/echo.yaml | port: 1201, targetPort | port: 7, targetPort
        k8s/base/echo.yaml | targetPort: echo-tcp | targetPort: echo
        services/echo/settings.py | (1201) | (1202)
        services/daytime/Dockerfile | EXPOSE 1200 | EXPOSE 1300
        k8s/base/server.yaml | containerPort: 8080 | containerPort: 80
        k8s/components/udp/services.yaml | targetPort: 1200 | targetPort: 13
    """,
    "test_variables_are_settings": """
        k8s/base/daytime.yaml | SERVE_IDENTITY | SERVE_FORMAT
        k8s/base/server.yaml | "8080" | "8081"
        docker-compose.yml | ADMIN_PORT: 8080 | ADMIN_PORT: 80
        k8s/base/server.yaml | SERVE_UDP, | SERVE_UPD,
    """,
    "test_the_check_asks_both_services_by_name": """
        k8s/jobs/check/check.yaml | [probe, echo, | [probe, --help, echo,
        k8s/jobs/check/check.yaml | echo:1201 | echo:7
        k8s/jobs/check/check.yaml | "echo:1201", --wait, "60" | "echo:1201", --wait, "600"
        k8s/jobs/check/check.yaml | backoffLimit: 0 | backoffLimit: 2
    """,
    "test_pods_are_restricted": """
        k8s/base/server.yaml | replicas: 2 | paused: true
        k8s/base/server.yaml | automountServiceAccountToken: false | serviceAccountName: x
        k8s/client/client.yaml | terminationGracePeriodSeconds: 1 | hostNetwork: true
        k8s/base/server.yaml | runAsUser: 10001 | runAsUser: 10002
        k8s/client/client.yaml | runAsGroup: 10001 | runAsGroup: 0
        clients/Dockerfile | USER 10001 | USER 10002
        k8s/base/server.yaml | RuntimeDefault | Unconfined
        k8s/base/server.yaml | {drop: [ALL]} | {drop: [ALL], add: [CHOWN]}
    """,
    "test_images_run_without_root_and_shell": """
        services/echo/Dockerfile | USER 10001 | USER 10002
    """,
    "test_probes_ask_what_is_served": """
        k8s/base/server.yaml | periodSeconds: 2 | periodSeconds: 60
        k8s/base/server.yaml | /readyz | /healthz
        k8s/base/server.yaml | /livez, port: admin | /livez, port: 80
        services/runtime/admin.py | "/livez": | "/live":
    """,
    "test_images_are_those_of_compose": """
        k8s/release/kustomization.yaml | echo, newTag: "0.1.0" | echo, newTag: latest
        docker-compose.yml | echo:0.1.0 | echo:0.2.0
    """,
    "test_everything_is_labelled": """
        k8s/release/kustomization.yaml | version: "0.1.0" | version: "0.2.0"
        services/runtime/__init__.py | 0.1.0 | 0.2.0
    """,
    "test_a_drain_ends_within_the_grace_period": """
        k8s/base/server.yaml | Seconds: 45 | Seconds: 35
        k8s/base/server.yaml | TIMEOUT, value: "30" | TIMEOUT, value: "60"
        k8s/base/server.yaml | DELAY, value: "5" | DELAY, value: "0"
    """,
    "test_compose_settings_are_settings": """
        docker-compose.yml | stop_grace_period: 15s | stop_grace_period: 10s
    """,
    "test_a_rollout_keeps_all_replicas": """
        k8s/base/server.yaml | maxUnavailable: 0 | maxUnavailable: 1
    """,
    "test_schemas": """
        k8s/base/server.yaml | enableServiceLinks | enableServiceLink
        k8s/components/dual-stack/kustomization.yaml | ipFamilyPolicy | ipFamilyPolicies
    """,
    "test_policies_keep_the_client_from_echo": """
        k8s/components/network-policy/daytime.yaml | TCP, port: 1200 | TCP, port: 13
        k8s/components/network-policy/callers.yaml | [client, check] | [check]
        k8s/components/network-policy/default-deny.yaml | [Ingress, Egress] | [Ingress]
        k8s/components/network-policy/echo.yaml | name: check} | name: client}
    """,
    "test_the_namespace_enforces_the_restricted_standard": """
        k8s/base/namespace.yaml | enforce: restricted | enforce: baseline
    """,
}

ROWS = [
    (test, Change.parse(line))
    for test, lines in CHANGES.items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("test", "change"), ROWS)
def test_a_change_in_one_place_is_seen(test: str, change: Change, tmp_path: Path) -> None:
    """Of what has to agree nothing can be changed alone."""
    need_kubectl()
    copy = changed_copy(tmp_path, [change])
    status, output = run_pytest(copy, *CHECKS, "-k", test)
    assert status == FAILED, output  # an empty run would be 5
