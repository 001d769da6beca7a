"""The published description of the Open Inference Protocol V2, repaired where it is wrong.

``published/open_inference_rest.yaml`` is a copy, unchanged, from
https://github.com/kserve/open-inference-protocol, commit d49cc23f89d709d87b210ef9449e273ae243984e,
under the Apache License 2.0. What is repaired contradicts the protocol's own text,
``inference_rest.md`` beside it.
"""

import copy
from pathlib import Path
from typing import Any

import yaml

PUBLISHED = Path(__file__).with_name("published") / "open_inference_rest.yaml"
_OF_MODEL = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}"


def repaired(model: str, digest: str) -> dict[str, Any]:
    """The description, for a server that has this model in this one version."""
    described: dict[str, Any] = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    schemas = described["components"]["schemas"]

    # A path's parameter is {NAME}; the dollar before it would be a letter of the path.
    paths = {path.replace("${", "{"): told for path, told in described["paths"].items()}

    # Any failure is answered with an error status, "typically 400", and an error object; the
    # description knows one status, and for some operations none.
    failed = {
        "description": "An error",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/inference_error_response"}
            }
        },
    }
    for operations in paths.values():
        for method in {"get", "post"} & operations.keys():
            operations[method]["responses"] |= {"4XX": failed, "5XX": failed}
            operations[method]["responses"].pop("400", None)
    # The object's one field is not optional in the text.
    schemas["inference_error_response"]["required"] = ["error"]

    # An inference request has a body.
    paths[f"{_OF_MODEL}/infer"]["post"]["requestBody"]["required"] = True

    # $parameter is a string, a number or a boolean; here it is anything.
    schemas["parameters"]["additionalProperties"] = {
        "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
    }

    # The version in a path is optional; here no path goes without.
    for path in [path for path in paths if path.startswith(_OF_MODEL)]:
        without = copy.deepcopy(paths[path])
        without["parameters"] = [
            one for one in without["parameters"] if one["name"] != "MODEL_VERSION"
        ]
        for method in {"get", "post"} & without.keys():
            without[method]["operationId"] += "-without-version"
        paths[path.replace("/versions/{MODEL_VERSION}", "")] = without

    # Not a repair: the names that this server has, or every request would end with 404.
    for operations in paths.values():
        for parameter in operations.get("parameters", []):
            known = model if parameter["name"] == "MODEL_NAME" else digest
            parameter["schema"] = {"type": "string", "enum": [known]}
    described["paths"] = paths
    return described
