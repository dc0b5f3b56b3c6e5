"""A grantd policy: what it says of itself, a look at its settings, and one function.

It has no clock, no network and no memory of earlier requests. The types are in wit/policy.wit; an editor finds them
after `componentize-py -d wit -w policy bindings .`.
"""

import fnmatch
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types

SCHEMA = {
    "type": "object",
    "required": ["drop"],
    "additionalProperties": False,
    "properties": {
        "drop": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Scopes that no token carries; * stands for anything",
        },
    },
}


def parse(text):
    """The settings, or an error that says where they are wrong."""
    settings = json.loads(text)
    for member in settings:
        if member not in SCHEMA["properties"]:
            raise ValueError(f"settings: unknown member {member}")
    drop = settings.get("drop")
    if not isinstance(drop, list) or not all(isinstance(pattern, str) for pattern in drop):
        raise ValueError('settings.drop: a list of patterns is needed, for instance ["admin:*"]')
    return settings


class Evaluator(exports.Evaluator):
    def describe(self) -> types.Manifest:
        return types.Manifest(
            name="{{name}}",
            version="0.1.0",
            description="Drops the scopes that a list of patterns names",
            settings_schema=json.dumps(SCHEMA),
            # Inputs that change from request to request, for instance types.Input_Time(types.TimeStep.HOUR).
            inputs=[],
        )

    def validate_settings(self, settings: str) -> None:
        try:
            parse(settings)
        except ValueError as error:
            raise Err(str(error))

    def evaluate(self, request: types.Request) -> types.Decision:
        drop = parse(request.settings)["drop"]
        scopes = [
            scope for scope in request.offered
            if not any(fnmatch.fnmatchcase(scope, pattern.replace("[", "[[]").replace("?", "[?]")) for pattern in drop)
        ]
        if request.offered and not scopes:
            reason = "every scope that was asked for is dropped by this policy"
            return types.Decision_Deny(types.Denial(code="nothing-left", reason=reason))
        return types.Decision_Permit(types.Permit(scopes=scopes, ttl_seconds=None, claims=None, note=None))
