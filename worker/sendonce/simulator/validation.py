"""Reads the body of a send request as the provider does, or says with which error it refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sendonce.simulator.identifiers import Recipient, parse_recipient
from sendonce.simulator.settings import SimulatorSettings, Template

_TYPES = (
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
)
_MAX_REFERENCE = 512
_MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Message:
    """One message that the provider would send."""

    recipient: Recipient
    to: str
    kind: str
    reference: str | None
    template: str | None
    language: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReadMark:
    """A request on the same endpoint that marks an incoming message as read: nothing is sent."""

    message_id: str


class Refused(Exception):  # noqa: N818 - an answer, not a failure of this program
    """The body is refused: the error code, and the words that replace the usual ones."""

    def __init__(self, code: int, *, message: str | None = None, details: str | None = None):
        super().__init__(code, message, details)
        self.code = code
        self.message = message
        self.details = details


def _required(name: str) -> Refused:
    return Refused(100, message=f"(#100) The parameter {name} is required.")


def _not_one_of(name: str, allowed: tuple[str, ...], got: object) -> Refused:
    choices = ", ".join(item.upper() for item in allowed)
    return Refused(100, message=f'(#100) Param {name} must be one of {{{choices}}} - got "{got}".')


def read_body(raw: bytes, settings: SimulatorSettings) -> Message | ReadMark:
    """The message in a request body. Raises Refused."""
    try:
        body = json.loads(raw)
    except ValueError:
        # The provider takes what it cannot read for a request without parameters.
        raise _required("messaging_product") from None
    if not isinstance(body, dict) or not body.get("messaging_product"):
        raise _required("messaging_product")
    if body["messaging_product"] != "whatsapp":
        raise _not_one_of("messaging_product", ("whatsapp",), body["messaging_product"])
    if body.get("status") is not None:
        return _read_mark(body)
    if body.get("recipient_type", "individual") not in ("individual", "group"):
        raise _not_one_of("recipient_type", ("group", "individual"), body["recipient_type"])
    to = body.get("to")
    if to is None or to == "":
        raise _required("to")
    kind = body.get("type", "text")
    if kind not in _TYPES:
        raise _not_one_of("type", _TYPES, kind)
    reference = body.get("biz_opaque_callback_data")
    if reference is not None:
        if not isinstance(reference, str):
            raise Refused(100, message="(#100) Param biz_opaque_callback_data must be a string.")
        if len(reference) > _MAX_REFERENCE:
            raise Refused(
                100,
                message="(#100) Param biz_opaque_callback_data must be at most"
                f" {_MAX_REFERENCE} characters long.",
            )
    content: Any = body.get(kind)
    template: str | None = None
    language: str | None = None
    if not isinstance(content, list if kind == "contacts" else dict):
        raise _required(kind)
    if kind == "template":
        template, language = _check_template(body[kind], settings.template)
    elif kind == "text":
        _check_text(body[kind])
    recipient = _read_recipient(to, settings)
    return Message(recipient, str(to), kind, reference, template, language, body)


def _read_mark(body: dict[str, Any]) -> ReadMark:
    if body["status"] != "read":
        raise _not_one_of("status", ("read",), body["status"])
    if not isinstance(body.get("message_id"), str):
        raise _required("message_id")
    return ReadMark(body["message_id"])


def _read_recipient(to: object, settings: SimulatorSettings) -> Recipient:
    recipient = parse_recipient(to, settings.country_code) if isinstance(to, str) else None
    if recipient is None or (recipient.prepended and settings.strict_recipient):
        raise Refused(131009, details="Recipient phone number is not a valid phone number")
    return recipient


def _check_text(content: dict[str, Any]) -> None:
    text = content.get("body")
    if not isinstance(text, str) or not text:
        raise _required("text['body']")
    if len(text) > _MAX_TEXT:
        raise Refused(
            100, message=f"(#100) Param text['body'] must be at most {_MAX_TEXT} characters long."
        )


def _check_template(content: dict[str, Any], known: tuple[Template, ...]) -> tuple[str, str]:
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise _required("template['name']")
    language = content.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not isinstance(code, str) or not code:
        raise _required("template['language']['code']")
    components = content.get("components", [])
    if not isinstance(components, list):
        raise Refused(100, message="(#100) Param template['components'] must be an array.")
    body_parameters = 0
    for index, component in enumerate(components):
        kind = component.get("type") if isinstance(component, dict) else None
        if not isinstance(kind, str):
            raise Refused(131008, details=f"components[{index}]: type is missing")
        kind = kind.lower()
        if kind not in ("header", "body", "button", "carousel", "limited_time_offer"):
            raise Refused(131009, details=f"components[{index}]: {kind!r} is no component type")
        if kind == "button" and (
            not component.get("sub_type") or component.get("index") in (None, "")
        ):
            raise Refused(131008, details="Component of type button needs sub_type and index")
        parameters = component.get("parameters", [])
        if not isinstance(parameters, list):
            raise Refused(131009, details=f"components[{index}]: parameters must be an array")
        for parameter in parameters:
            _check_parameter(parameter)
        if kind == "body":
            body_parameters += len(parameters)
    if known:
        _check_known(name, code, body_parameters, known)
    return name, code


def _check_parameter(parameter: object) -> None:
    kind = parameter.get("type") if isinstance(parameter, dict) else None
    if not isinstance(parameter, dict) or not isinstance(kind, str):
        raise Refused(131008, details="Parameter is missing its type")
    kind = kind.lower()
    value = parameter.get(kind)
    if kind == "text":
        if not isinstance(value, str) or not value:
            raise Refused(131008, details="Parameter of type text is missing text value")
        if "\n" in value or "\t" in value or "     " in value:
            raise Refused(
                100,
                details="Param text cannot have new-line/tab characters"
                " or more than 4 consecutive spaces",
            )
    elif kind in ("image", "video", "document"):
        if not isinstance(value, dict) or not (value.get("id") or value.get("link")):
            raise Refused(131008, details=f"Parameter of type {kind} is missing id or link")
    elif value is None:
        raise Refused(131008, details=f"Parameter of type {kind} is missing its value")


def _check_known(name: str, language: str, parameters: int, known: tuple[Template, ...]) -> None:
    for template in known:
        if template.name == name and template.language == language:
            if template.parameters != parameters:
                raise Refused(
                    132000,
                    details=f"body: number of localizable_params ({parameters}) does not match"
                    f" the expected number of params ({template.parameters})",
                )
            return
    raise Refused(132001, details=f"template name ({name}) does not exist in {language}")
