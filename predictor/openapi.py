"""Our REST API as an OpenAPI 3.1 document. In: the model's name and labels. Out: a dictionary.

Schemas say what is answered and, of requests, what JSON can say; the rest of what a picture must be
is in their descriptions, and refused with 400.
"""

from typing import Any

from predictor.protocol import INPUT, MAX_PICTURES, OUTPUTS
from predictor.settings import NAME

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64", "description": "a picture"}
_ERRORS = {
    400: "The request is malformed, or a picture cannot be read",
    401: "A key is needed",
    403: "Nobody may do this",
    404: "No such model or version",
    409: "What is there must not be served",
    413: "The body is too large",
    415: "Compressed, or of another content type than is read",
    429: "Too much is asked for; try again when Retry-After says",
    503: "Not ready, or too much waits; try again when Retry-After says",
}
_INFER_ERRORS = (400, 401, 404, 413, 415, 429, 503)
_CHANGE_ERRORS = (401, 403, 404, 409, 503)


def document(model: str, labels: tuple[str, ...], digest: str, version: str) -> Schema:
    """The whole document, for one model.

    Args:
        model: its name.
        labels: its classes.
        digest: of its package, which is its version.
        version: of the server.
    """
    of_name: Schema = {"name": {"type": "string", "enum": [model]}}
    of_any: Schema = {"name": {**_TEXT, "pattern": f"^{NAME.pattern}$"}}
    of_version: Schema = {**of_name, "version": {"type": "string", "enum": [digest]}}
    prediction = _object(
        label={"type": "string", "enum": list(labels)},
        confidence=_SHARE,
        probabilities=_object(**dict.fromkeys(labels, _SHARE)),
    )
    paths: Schema = {
        "/predict": _post("Classify a picture", prediction, form=_form("file", _FILE)),
        "/predict/batch": _post(
            f"Classify up to {MAX_PICTURES} pictures; one that cannot be read leaves the others "
            "alone",
            _object(
                predictions={
                    "type": "array",
                    "items": {
                        "anyOf": [
                            {
                                **prediction,
                                "properties": {"file": _TEXT, **prediction["properties"]},
                            },
                            _object(file=_TEXT, error=_TEXT),
                        ]
                    },
                }
            ),
            form=_form(
                "files",
                {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MAX_PICTURES},
            ),
        ),
        "/health": _get("Whether it is ready, and what is served", _HEALTH, 503),
        "/model/info": _get("What is served", {"type": "object"}),
        "/models/available": _get(
            "What can be asked for, and what can be loaded", _object(models=_list({})), 503
        ),
        "/model/load/{name}": _post(_LOAD, _LOADED, *_CHANGE_ERRORS, where=of_any),
        "/metrics": _get("For Prometheus", None),
        "/v1/models": _get("Names", _object(models=_list(_TEXT))),
        "/v1/models/{name}": _get("Whether the model is ready", _READY, 404, 503, where=of_name),
        "/v1/models/{name}:predict": _post(
            "Classify pictures",
            _object(predictions=_list(prediction)),
            *_INFER_ERRORS,
            body=_object(instances=_some(_object(b64=_BASE64))),
            where=of_name,
        ),
        "/v2": _get("The server", _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT))),
        "/v2/health/live": _get("Whether it answers", _object(live={"type": "boolean"})),
        "/v2/health/ready": _get("Whether it is ready", _object(ready={"type": "boolean"}), 503),
        "/v2/models": _get("Names", _object(models=_list(_TEXT))),
        "/v2/repository/index": {
            **_get("The repository's models", _list(_INDEXED), 503),
            **_post(
                "The repository's models, or those that are ready",
                _list(_INDEXED),
                *(400, 413, 415, 503),
                body=_closed((), ready={"type": "boolean"}),
                required=False,
            ),
        },
        "/v2/repository/models/{name}/load": _post(_LOAD, _LOADED, *_CHANGE_ERRORS, where=of_any),
        "/v2/repository/models/{name}/unload": _post(
            "Unload what serves: for admins of a predictor that stands alone",
            _object(name=_TEXT, unload={"type": "boolean"}),
            *_CHANGE_ERRORS,
            where=of_any,
        ),
    }
    for path, where in (
        ("/v2/models/{name}", of_name),
        ("/v2/models/{name}/versions/{version}", of_version),
    ):
        paths[path] = _get("What the model takes and answers", _METADATA, 404, where=where)
        paths[f"{path}/ready"] = _get("Whether the model is ready", _READY, 404, 503, where=where)
        paths[f"{path}/infer"] = _post(
            "Classify pictures", _ANSWER, *_INFER_ERRORS, body=_REQUEST, where=where
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Weathervane: {model}", "version": version},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        # Whether a key is needed is the operator's choice.
        "security": [{}, {"key": []}],
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _closed(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _some(items: Schema) -> Schema:
    return {**_list(items), "minItems": 1, "maxItems": MAX_PICTURES}


def _form(field: str, content: Schema) -> Schema:
    return {"multipart/form-data": {"schema": _object(**{field: content})}}


def _get(told: str, answer: Schema | None, *errors: int, where: Schema | None = None) -> Schema:
    return {"get": _operation(told, answer, errors, where)}


def _post(
    told: str,
    answer: Schema | None,
    *errors: int,
    body: Schema | None = None,
    form: Schema | None = None,
    required: bool = True,
    where: Schema | None = None,
) -> Schema:
    operation = _operation(told, answer, errors or _INFER_ERRORS, where)
    if content := form or (body and {"application/json": {"schema": body}}):
        operation["requestBody"] = {"required": required, "content": content}
    return {"post": operation}


def _operation(
    told: str, answer: Schema | None, errors: tuple[int, ...], where: Schema | None
) -> Schema:
    answers: Schema = {
        str(status): {
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": _object(error=_TEXT)}},
        }
        for status in errors
    }
    if answer is not None:
        answers["200"] = {
            "description": "Done",
            "content": {"application/json": {"schema": answer}},
        }
    else:
        answers["200"] = {"description": "Done", "content": {"text/plain": {"schema": _TEXT}}}
    return {
        "summary": told,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name, schema in (where or {}).items()
        ],
        "responses": answers,
    }


_LOAD = "Let another package serve: for admins of a predictor that stands alone"
_LOADED = _object(name=_TEXT, load={"type": "boolean"}, digest=_TEXT)
_FILE: Schema = {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP"}
_HEALTH = _object(status=_TEXT, model=_TEXT, revision=_TEXT, digest=_TEXT)
_READY = _object(name=_TEXT, ready={"type": "boolean"})
_INDEXED = _object(name=_TEXT, version=_TEXT, state=_TEXT, reason=_TEXT)
_SIDES: Schema = {"type": "array", "items": {"type": "integer"}}
_TENSOR = _object(name=_TEXT, datatype=_TEXT, shape=_SIDES)
_METADATA = _object(
    name=_TEXT, versions=_list(_TEXT), platform=_TEXT, inputs=_list(_TENSOR), outputs=_list(_TENSOR)
)
_ANSWER = _object(model_name=_TEXT, model_version=_TEXT, outputs=_list(_TENSOR))
_PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_REQUEST = _closed(
    ("inputs",),
    id=_TEXT,
    parameters={
        **_PARAMETERS,
        "properties": {"binary_data_output": {"type": "boolean"}},
    },
    inputs={
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": _closed(
            ("name", "datatype", "shape", "data"),
            name={"const": INPUT},
            datatype={"enum": ["BYTES", "UINT8"]},
            shape={
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "description": "BYTES: [n]; UINT8: [n, height, width, 3]",
            },
            parameters={**_PARAMETERS, "properties": {"binary_data_size": False}},
            data={"type": "array", "description": "base64 of pictures, or integers to 255"},
        ),
    },
    outputs={
        "type": "array",
        "uniqueItems": True,
        "maxItems": len(OUTPUTS),
        "items": _closed(
            ("name",),
            name={"enum": list(OUTPUTS)},
            parameters={**_PARAMETERS, "properties": {"binary_data": {"type": "boolean"}}},
        ),
    },
)
