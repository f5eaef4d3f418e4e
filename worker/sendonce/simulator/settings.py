"""The settings of one simulator process: where it listens, whom it reports to, whom it trusts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

Category = Literal["marketing", "utility", "authentication"]


class Template(BaseModel):
    """A template the provider knows: with one or more of these, others are refused (132001)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    language: str
    parameters: int = Field(default=0, ge=0, description="values its body takes")
    category: Category = "marketing"


def _read_template(value: Any) -> Any:
    """The short form ``NAME:LANGUAGE:PARAMETERS[:CATEGORY]``."""
    if not isinstance(value, str):
        return value
    parts = value.split(":")
    if len(parts) not in (3, 4):
        raise ValueError(f"{value!r} is not NAME:LANGUAGE:PARAMETERS[:CATEGORY]")
    names = ("name", "language", "parameters", "category")
    return dict(zip(names, parts, strict=False))


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Templates = Annotated[
    tuple[Annotated[Template, BeforeValidator(_read_template)], ...], BeforeValidator(_one_or_many)
]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


class SimulatorSettings(BaseModel):
    """Settings that stay as they are while the process runs (the webhook URL excepted)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="port to listen on (0: a free one)")
    token: SecretStr | None = Field(
        default=None, description="bearer token that senders must show (none: any token will do)"
    )
    phone_number_id: Names = Field(
        default=(), description="a phone number id that exists (none given: every number does)"
    )
    country_code: str = Field(
        default="999",
        pattern=r"^[1-9][0-9]{0,2}$",
        description="country code of the sender, put before a recipient without a plus sign",
    )
    strict_recipient: bool = Field(
        default=False, description="refuse a recipient without a plus sign (131009)"
    )
    template: Templates = Field(
        default=(), description="a template that exists (none given: every template does)"
    )
    category: Category = Field(
        default="marketing", description="category reported for templates not listed"
    )

    app: str = Field(default="simulator", min_length=1, description="app, for {app} in the URL")
    app_secret: SecretStr | None = Field(default=None, description="secret that signs the reports")
    verify_token: SecretStr | None = Field(
        default=None, description="token of the webhook's subscription handshake"
    )
    webhook_url: str | None = Field(
        default=None, description="where reports are POSTed (none: no reports)"
    )
    webhook_timeout: float = Field(
        default=10.0, gt=0, description="seconds to wait for the webhook's answer"
    )
    webhook_attempts: int = Field(
        default=12, ge=1, description="times a report is POSTed before it is given up"
    )
    webhook_retry_first: float = Field(
        default=0.5, gt=0, description="seconds before a report is POSTed again, doubling"
    )
    webhook_retry_longest: float = Field(
        default=30.0, gt=0, description="seconds that wait grows to"
    )
    webhook_connections: int = Field(
        default=8, ge=1, le=1000, description="POSTs to the webhook at once"
    )
    webhook_batch: int = Field(default=100, ge=1, le=1000, description="statuses in one POST")
    webhook_linger: float = Field(
        default=0.02, ge=0, description="seconds to wait for more statuses before a POST"
    )
    business_account_id: str = Field(
        default="102290129340398", description="WhatsApp Business Account id in the reports"
    )

    seed: int = Field(default=1, description="decides which messages meet which fault")
    decide_by: Literal["recipient", "reference"] = Field(
        default="recipient",
        description="what is hashed with the seed: recipient and attempt, or the whole reference",
    )
    profile: str = Field(default="healthy", description="named profile, or path of a .toml file")
    ledger_file: Path | None = Field(
        default=None, description="file to which the ledger is appended, one JSON object a line"
    )
    keep_bodies: bool = Field(
        default=False, description="keep every accepted message's body in the ledger"
    )
    until_stdin_closes: bool = Field(
        default=False, description="stop when standard input ends, so as to die with the parent"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.webhook_url is not None:
            parts = urlsplit(self.webhook_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"webhook_url: {self.webhook_url!r} is not an http(s) URL")
            if self.app_secret is None or not self.app_secret.get_secret_value():
                raise ValueError(
                    "webhook_url: reports are signed, so set SENDONCE_SIMULATOR_APP_SECRET too"
                )
        return self
