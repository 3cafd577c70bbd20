from tests.unit.probes.manifests import documents, problems, told

from etcd_crud.probe import Params, probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("etcd_crud", probe) == []


def test_the_example_is_valid_and_finds_the_mounted_files() -> None:
    for config in documents("etcd_crud", "config.yaml"):
        (params,) = (Params.model_validate(each) for each in told(config["spec"]))
        (mount,) = config["spec"]["podOverrides"]["volumeMounts"]
        assert all(
            path.startswith(f"{mount['mountPath']}/") for path in (params.ca_file, params.cert_file, params.key_file)
        )
