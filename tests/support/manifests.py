"""The manifests of a folder of `k8s`, built as kustomize builds them, but only with the few keys that ours use.

An unknown key is refused, so what is built here is never less than what kustomize would build.
`docs/kubernetes.md` says how the two are compared.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.sources import ROOT

Manifest = dict[str, Any]

K8S = ROOT / "k8s"
OVERLAYS = ("cpu", "gpu")
CLUSTER_SCOPED = {"Namespace", "StorageClass", "PriorityClass"}
KEYS = {"apiVersion", "kind", "namespace", "labels", "images", "resources", "patches"}

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The faster one where there is one: the tests build the manifests often."""


class Unsupported(ValueError):
    """A kustomization uses what is not built here, or a patch does not fit."""


def documents(path: Path) -> list[Manifest]:
    """Return the manifests in a file, without building anything."""
    return [each for each in yaml.load_all(path.read_text(encoding="utf-8"), Loader=LOADER) if each is not None]


def built(folder: Path) -> list[Manifest]:
    """Return the manifests that a folder with a kustomization makes.

    Raises:
        Unsupported: it uses a key that is not supported, or a patch does not apply.
    """
    [kustomization] = documents(folder / "kustomization.yaml")
    if unknown := kustomization.keys() - KEYS:
        raise Unsupported(f"{folder.name}: {', '.join(sorted(unknown))}")
    made: list[Manifest] = []
    for name in kustomization.get("resources", ()):
        path = (folder / name).resolve()
        made += built(path) if path.is_dir() else documents(path)
    for patch in kustomization.get("patches", ()):
        _patch(made, patch, folder)
    for each in made:
        _label(each, kustomization.get("labels", ()))
        _set_images(each, kustomization.get("images", ()))
        if "namespace" in kustomization and each["kind"] not in CLUSTER_SCOPED:
            each["metadata"]["namespace"] = kustomization["namespace"]
    return made


def overlay(name: str) -> list[Manifest]:
    """Return the manifests of an overlay."""
    return built(K8S / "overlays" / name)


def of_kind(made: Iterable[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind, by name."""
    return {each["metadata"]["name"]: each for each in made if each["kind"] == kind}


def containers(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the containers of a pod template, those that start before the others first."""
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    yield from pod.get("initContainers", ())
    yield from pod.get("containers", ())


def _label(manifest: Manifest, labels: Iterable[Mapping[str, Any]]) -> None:
    for each in labels:
        if each.get("includeSelectors") or each.get("includeTemplates"):
            raise Unsupported("labels of selectors or templates")
        manifest["metadata"].setdefault("labels", {}).update(each["pairs"])


def _set_images(manifest: Manifest, images: Iterable[Mapping[str, str]]) -> None:
    changes = {each["name"]: each for each in images}
    for container in containers(manifest):
        name, _, tag = container["image"].rpartition(":")
        if name in changes:
            change = changes[name]
            container["image"] = f"{change.get('newName', name)}:{change.get('newTag', tag)}"


def _patch(made: Iterable[Manifest], patch: Mapping[str, Any], folder: Path) -> None:
    text = patch.get("patch") or (folder / patch["path"]).read_text(encoding="utf-8")
    operations = yaml.safe_load(text)
    if not isinstance(operations, list):
        raise Unsupported(f"{folder.name}: a patch that is no list of operations")
    chosen = [each for each in made if _is_target(each, patch["target"])]
    if not chosen:
        raise Unsupported(f"{folder.name}: no manifest for {patch['target']}")
    for manifest in chosen:
        for operation in operations:
            _apply(manifest, operation)


def _is_target(manifest: Mapping[str, Any], target: Mapping[str, str]) -> bool:
    if unknown := target.keys() - {"kind", "name", "labelSelector"}:
        raise Unsupported(f"target by {', '.join(sorted(unknown))}")
    labels = manifest["metadata"].get("labels", {})
    wanted = dict(pair.split("=", 1) for pair in target.get("labelSelector", "").split(",") if pair)
    return (
        target.get("kind", manifest["kind"]) == manifest["kind"]
        and re.fullmatch(target.get("name", ".*"), manifest["metadata"]["name"]) is not None
        and all(labels.get(name) == value for name, value in wanted.items())
    )


def _apply(manifest: Manifest, operation: Mapping[str, Any]) -> None:
    """Apply one operation of RFC 6902."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    at: Any = manifest
    try:
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if isinstance(at, list):
            _change_list(at, last, operation)
            return
        if operation["op"] != "add":
            at[last]  # what is replaced or removed must be there
    except (KeyError, IndexError) as error:
        raise Unsupported(f"{manifest['metadata']['name']}: nothing at {operation['path']}") from error
    if operation["op"] == "remove":
        del at[last]
    elif operation["op"] in ("add", "replace"):
        at[last] = copy.deepcopy(operation["value"])
    else:
        raise Unsupported(operation["op"])


def _change_list(at: list[Any], last: str, operation: Mapping[str, Any]) -> None:
    place = len(at) if last == "-" else int(last)
    if operation["op"] == "add":
        at.insert(place, copy.deepcopy(operation["value"]))
    elif operation["op"] == "replace":
        at[place] = copy.deepcopy(operation["value"])
    elif operation["op"] == "remove":
        del at[place]
    else:
        raise Unsupported(operation["op"])
