"""The errors of the WhatsApp Cloud API: code, HTTP status, words, and the JSON they arrive in.

Source: Meta's "Cloud API error codes" page and replies quoted in public issue threads. Callers
are told to branch on ``code``; the words are here because people read them in logs.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from typing import Any

ERROR_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


@dataclass(frozen=True, slots=True)
class ProviderError:
    """One error of the provider: what it is called, and with which HTTP status it is replied."""

    code: int
    http_status: int
    title: str
    details: str


_LIST = (
    (0, 401, "AuthException", "The app user could not be authenticated."),
    (1, 400, "An unknown error has occurred.", "Invalid request or possible server error."),
    (2, 503, "Service temporarily unavailable", "Temporary due to downtime or overload."),
    (3, 500, "Unknown method", "Capability or permissions issue."),
    (4, 400, "Application request limit reached", "The app has reached its API call rate limit."),
    (10, 403, "Application does not have permission for this action", "Permission was removed."),
    (33, 400, "Parameter value is not valid", "The business phone number has been deleted."),
    (100, 400, "Invalid parameter", "The request included an unsupported or misspelled parameter."),
    (190, 401, "Invalid OAuth access token", "The access token has expired or is not valid."),
    (368, 403, "Temporarily blocked for policies violations", "The account has been restricted."),
    (80007, 400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    (130429, 400, "Rate limit hit", "Cloud API message throughput has been reached."),
    (130472, 400, "User's number is part of an experiment", "Message was not sent."),
    (130497, 403, "Business account is restricted", "Messaging to this country is restricted."),
    (131000, 500, "Something went wrong", "Message failed to send due to an unknown error."),
    (131005, 403, "Access denied", "Permission is either not granted or has been removed."),
    (131008, 400, "Required parameter is missing", "The request is missing a required parameter."),
    (131009, 400, "Parameter value is not valid", "One or more parameter values are invalid."),
    (131016, 500, "Service unavailable", "A service is temporarily unavailable."),
    (131021, 400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
    (131026, 400, "Message undeliverable", "Message Undeliverable."),
    (131030, 400, "Recipient phone number not in allowed list", "Add the number to the list."),
    (131031, 403, "Account has been locked", "The account has been restricted or disabled."),
    (131037, 400, "Display name approval needed", "The number needs an approved display name."),
    (
        131042,
        400,
        "Business eligibility payment issue",
        "There was an error with the payment method.",
    ),
    (131045, 500, "Incorrect certificate", "Phone number registration error."),
    (131047, 400, "Re-engagement message", "More than 24 hours have passed since the last reply."),
    (131048, 400, "Spam rate limit hit", "Too many previous messages were blocked or flagged."),
    (
        131049,
        400,
        "Meta chose not to deliver",
        "This message was not delivered to maintain healthy ecosystem engagement.",
    ),
    (131050, 400, "User has stopped marketing messages", "The recipient has opted out."),
    (131051, 400, "Unsupported message type", "Message type is not currently supported."),
    (131052, 400, "Media download error", "Unable to download the media sent by the user."),
    (131053, 400, "Media upload error", "Unable to upload the media used in the message."),
    (131056, 400, "Pair rate limit hit", "Too many messages to this recipient in a short time."),
    (131057, 500, "Account in maintenance mode", "The account is in maintenance mode."),
    (131062, 400, "Recipient not supported", "This user id cannot receive this message."),
    (131064, 400, "Messaging limit reached", "The account has reached its messaging limit."),
    (
        132000,
        400,
        "Number of parameters does not match the expected number of params",
        "The number of variable values does not match the template.",
    ),
    (
        132001,
        404,
        "Template name does not exist in the translation",
        "The template does not exist in this language or is not approved.",
    ),
    (132005, 400, "Translated text too long", "The rendered text is too long."),
    (132007, 400, "Template format character policy violated", "Content violates a policy."),
    (132008, 400, "Parameter value is not valid", "A template parameter value is invalid."),
    (132012, 400, "Parameter format does not match", "A value has the wrong format."),
    (132015, 400, "Template is paused", "The template is paused due to low quality."),
    (132016, 400, "Template is disabled", "The template was paused too often and is disabled."),
    (132068, 400, "Flow is blocked", "The flow is in blocked state."),
    (132069, 400, "Flow is throttled", "The flow is in throttled state."),
    (133004, 503, "Server temporarily unavailable", "The server is temporarily unavailable."),
    (133010, 400, "Account not registered", "The phone number is not registered."),
    (135000, 400, "Generic user error", "Message failed because of an unknown parameter error."),
)

ERRORS: dict[int, ProviderError] = {row[0]: ProviderError(*row) for row in _LIST}

# Permission errors share one text; the provider reserves the whole range.
_PERMISSION_CODES = range(200, 300)

# The provider marks these as worth another try.
_TRANSIENT_CODES = frozenset({1, 2, 4})


def lookup(code: int) -> ProviderError:
    """The provider's error of that code; a code not on the list gets a general text, HTTP 400."""
    known = ERRORS.get(code)
    if known is not None:
        return known
    if code in _PERMISSION_CODES:
        return ProviderError(code, 403, "Permissions error", "Permission is not granted.")
    return ProviderError(code, 400, "Unlisted error", "An error that is not on the public list.")


def trace_id() -> str:
    """A made-up ``fbtrace_id``: the letter A and 22 characters, unique enough to search a log."""
    return "A" + base64.urlsafe_b64encode(os.urandom(16)).decode("ascii").rstrip("=")


def error_body(
    code: int,
    details: str | None = None,
    *,
    message: str | None = None,
    kind: str = "OAuthException",
    subcode: int | None = None,
    with_details: bool = True,
) -> dict[str, Any]:
    """The JSON of one error reply.

    ``message`` replaces the whole text (some errors do not start with their code), ``details``
    the text under ``error_data``; ``with_details=False`` leaves ``error_data`` out, as the
    general Graph API errors do.
    """
    known = lookup(code)
    error: dict[str, Any] = {
        "message": message if message is not None else f"(#{code}) {known.title}",
        "type": kind,
        "code": code,
    }
    if subcode is not None:
        error["error_subcode"] = subcode
    if code in _TRANSIENT_CODES:
        error["is_transient"] = True
    if with_details:
        error["error_data"] = {
            "messaging_product": "whatsapp",
            "details": details if details is not None else known.details,
        }
    error["fbtrace_id"] = trace_id()
    return {"error": error}


def report_error(code: int) -> dict[str, Any]:
    """The element of ``errors`` in a ``failed`` report."""
    known = lookup(code)
    return {
        "code": code,
        "title": known.title,
        "message": known.title,
        "error_data": {"details": known.details},
        "href": ERROR_PAGE,
    }
