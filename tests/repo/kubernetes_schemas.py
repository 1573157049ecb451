"""Manifests against the schemas of Kubernetes and of the operators: each function returns the faults it finds."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.conftest import DATA_VARIABLE
from tests.support.manifests import Manifest
from tests.support.services import missing

VERSIONS = ("1.33", "1.35", "1.37")
CUSTOM = (".strimzi.io", "keda.sh", "monitoring.coreos.com")


def schema_faults(manifest: Manifest) -> Iterator[str]:
    """Check a manifest: of a kind of Kubernetes in each version, of an operator by the operator's own schema."""
    where = f"{manifest['kind']} {manifest['metadata']['name']}"
    group = manifest["apiVersion"].rpartition("/")[0]
    if group.endswith(CUSTOM):
        yield from (f"{where}: {fault}" for fault in _custom_faults(manifest))
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{where}: {version}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{where}: {error.message}"


def _custom_faults(manifest: Manifest) -> Iterator[str]:
    schema = _schemas().get((manifest["apiVersion"], manifest["kind"]))
    if schema is None:
        yield f"no schema of {manifest['apiVersion']}"
        return
    for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest):
        yield f"{error.json_path}: {error.message[:300]}"


@cache
def _schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the schemas of the operators' kinds, by API version and kind."""
    data = os.environ.get(DATA_VARIABLE)
    folder = Path(data or "") / "crds"
    if not data or not folder.is_dir():
        missing(f"no folder crds in {DATA_VARIABLE}")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for definition in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = converted(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
                schema["properties"]["metadata"] = {"type": "object"}
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operator's schema as JSON Schema that is as strict as an API server that refuses unknown fields."""
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: converted(each) for name, each in value.items()}
        elif key in ("items", "additionalProperties", "not") and isinstance(value, Mapping):
            made[key] = converted(value)
        elif key in ("anyOf", "allOf", "oneOf"):
            made[key] = [_alternative(each) for each in value]
        else:
            made[key] = value
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    open_ended = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if "properties" in made and not open_ended:
        made["additionalProperties"] = False
    return made


def _alternative(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of several schemas for a value; it names only the fields by which they differ, so others are allowed."""
    return {key: value for key, value in schema.items() if key != "additionalProperties"}
